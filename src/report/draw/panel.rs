//! A framed area with two axes.

use super::axis::Axis;
use super::scene::{Align, Pen, Point, Scene};
use super::style::{Colour, GRID, INK, MUTED, NORMAL, SMALL};

/// A rectangle of a scene with axes; values become points in it.
#[derive(Clone, Debug)]
pub struct Panel {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub x: Axis,
    pub y: Axis,
}

impl Panel {
    /// The point of a pair of values.
    pub fn point(&self, x: f64, y: f64) -> Point {
        (self.left + self.width * self.x.place(x), self.top + self.height * (1.0 - self.y.place(y)))
    }

    /// The lower edge.
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// The right edge.
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    /// A curve through pairs of values.
    pub fn curve(&self, scene: &mut Scene, xs: &[f64], ys: &[f64], pen: Pen) {
        scene.line(xs.iter().zip(ys).map(|(&x, &y)| self.point(x, y)), pen);
    }

    /// Frame, grid, ticks and labels. A panel above another one leaves out its `x` texts.
    pub fn draw(&self, scene: &mut Scene, with_x_texts: bool, with_grid: bool) {
        let x_ticks = self.x.ticks((self.width / 65.0) as usize);
        let y_ticks = self.y.ticks((self.height / 36.0).max(2.0) as usize);
        let thin = Pen::solid(GRID, 1.0);
        if with_grid {
            for (value, _) in &x_ticks {
                let x = self.point(*value, 0.0).0;
                scene.line([(x, self.top), (x, self.bottom())], thin);
            }
            for (value, _) in &y_ticks {
                let y = self.point(0.0, *value).1;
                scene.line([(self.left, y), (self.right(), y)], thin);
            }
        }
        self.frame(scene);
        for (value, text) in y_ticks {
            let y = self.top + self.height * (1.0 - self.y.place(value));
            scene.line([(self.left - 4.0, y), (self.left, y)], Pen::solid(MUTED, 1.0));
            scene.text((self.left - 7.0, y), text, SMALL, INK, Align::Right);
        }
        for (value, text) in x_ticks {
            let x = self.left + self.width * self.x.place(value);
            scene.line([(x, self.bottom()), (x, self.bottom() + 4.0)], Pen::solid(MUTED, 1.0));
            if with_x_texts {
                scene.text((x, self.bottom() + 14.0), text, SMALL, INK, Align::Centre);
            }
        }
        if with_x_texts {
            let middle = self.left + self.width / 2.0;
            scene.text((middle, self.bottom() + 34.0), &*self.x.label, NORMAL, INK, Align::Centre);
        }
        let middle = self.top + self.height / 2.0;
        scene.text_upwards((self.left - 54.0, middle), &*self.y.label, NORMAL, INK);
    }

    /// The four edges.
    pub fn frame(&self, scene: &mut Scene) {
        let (l, t, r, b) = (self.left, self.top, self.right(), self.bottom());
        scene.line([(l, t), (r, t), (r, b), (l, b), (l, t)], Pen::solid(MUTED, 1.0));
    }
}

/// An entry of a legend.
#[derive(Clone, Debug)]
pub struct Entry {
    pub text: String,
    pub pen: Pen,
    /// Drawn as dots instead of a line.
    pub dots: bool,
}

impl Entry {
    pub fn line(text: impl Into<String>, pen: Pen) -> Self {
        Self { text: text.into(), pen, dots: false }
    }

    pub fn dots(text: impl Into<String>, colour: Colour) -> Self {
        Self { text: text.into(), pen: Pen::solid(colour, 2.0), dots: true }
    }
}

/// Width of a text, roughly: legends need no better.
pub fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.6
}

/// A legend in a row that begins at `at`, broken at `right`. Gives back its height.
pub fn legend(scene: &mut Scene, at: Point, right: f64, entries: &[Entry]) -> f64 {
    const LINE: f64 = 18.0;
    let (mut x, mut y) = at;
    for entry in entries {
        let width = 32.0 + text_width(&entry.text, SMALL);
        if x > at.0 && x + width > right {
            (x, y) = (at.0, y + LINE);
        }
        if entry.dots {
            [3.0, 12.0, 21.0].iter().for_each(|dx| scene.disc((x + dx, y), 2.0, entry.pen.colour));
        } else {
            scene.line([(x, y), (x + 24.0, y)], entry.pen);
        }
        scene.text((x + 30.0, y), &*entry.text, SMALL, INK, Align::Left);
        x += width + 16.0;
    }
    y + LINE - at.1
}
