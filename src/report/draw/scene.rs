//! A picture as a list of marks, put on paper as SVG and as PNG by the same code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{BitMapElement, Circle, PathElement, Polygon, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontTransform, IntoFont, RGBColor, ShapeStyle, TextStyle};

use super::font;
use super::style::{Colour, PAPER};
use crate::error::{Error, Result};

/// Dots of the PNG in one unit of a scene, which is a CSS pixel on paper and screen.
const DOTS: f64 = 2.0;

/// How far, in font sizes, the library draws text too high in a PNG.
const BITMAP_TEXT_SHIFT: f64 = 0.13;

/// A point in units from the upper left corner.
pub type Point = (f64, f64);

/// Where a text lies beside its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Centre,
    Right,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Pen {
    pub colour: Colour,
    pub width: f64,
    /// Lengths of dash and gap, if it is not solid.
    pub dash: Option<(f64, f64)>,
}

impl Pen {
    pub fn solid(colour: Colour, width: f64) -> Self {
        Self { colour, width, dash: None }
    }

    pub fn dashed(colour: Colour, width: f64, dash: f64, gap: f64) -> Self {
        Self { colour, width, dash: Some((dash, gap)) }
    }
}

#[derive(Clone, Debug)]
enum Mark {
    Line { points: Vec<Point>, colour: Colour, width: f64 },
    Area { points: Vec<Point>, colour: Colour, opacity: f64 },
    Disc { centre: Point, radius: f64, colour: Colour },
    Text { at: Point, text: String, size: f64, colour: Colour, align: Align, upwards: bool },
}

/// Coloured cells that fill a rectangle; drawn below all marks.
#[derive(Clone, Debug)]
struct Raster {
    at: Point,
    size: (f64, f64),
    columns: usize,
    /// Row by row from the top.
    colours: Vec<[u8; 3]>,
}

/// A picture.
#[derive(Clone, Debug)]
pub struct Scene {
    size: (f64, f64),
    rasters: Vec<Raster>,
    marks: Vec<Mark>,
}

impl Scene {
    pub fn new(width: f64, height: f64) -> Self {
        Self { size: (width, height), rasters: Vec::new(), marks: Vec::new() }
    }

    /// A line through `points`, interrupted where one is not finite.
    pub fn line(&mut self, points: impl IntoIterator<Item = Point>, pen: Pen) {
        let mut run: Vec<Point> = Vec::new();
        let mut runs = Vec::new();
        for point in points {
            if point.0.is_finite() && point.1.is_finite() {
                run.push(point);
            } else {
                runs.push(std::mem::take(&mut run));
            }
        }
        runs.push(run);
        for run in runs.into_iter().filter(|run| run.len() > 1) {
            let parts = match pen.dash {
                None => vec![run],
                Some((dash, gap)) => dashes(&run, dash, gap),
            };
            let mark = |points| Mark::Line { points, colour: pen.colour, width: pen.width };
            self.marks.extend(parts.into_iter().map(mark));
        }
    }

    pub fn area(&mut self, points: Vec<Point>, colour: Colour, opacity: f64) {
        self.marks.push(Mark::Area { points, colour, opacity });
    }

    pub fn disc(&mut self, centre: Point, radius: f64, colour: Colour) {
        if centre.0.is_finite() && centre.1.is_finite() {
            self.marks.push(Mark::Disc { centre, radius, colour });
        }
    }

    /// A text that is vertically centred at its point.
    pub fn text(&mut self, at: Point, text: impl Into<String>, size: f64, colour: Colour, align: Align) {
        self.marks.push(Mark::Text { at, text: text.into(), size, colour, align, upwards: false });
    }

    /// A text that reads upwards, centred at its point.
    pub fn text_upwards(&mut self, at: Point, text: impl Into<String>, size: f64, colour: Colour) {
        let align = Align::Centre;
        self.marks.push(Mark::Text { at, text: text.into(), size, colour, align, upwards: true });
    }

    /// Fills a rectangle with cells, row by row from the top.
    pub fn raster(&mut self, at: Point, size: (f64, f64), columns: usize, colours: Vec<[u8; 3]>) {
        self.rasters.push(Raster { at, size, columns, colours });
    }

    /// The picture as the text of an SVG file.
    ///
    /// # Errors
    /// A fault of the drawing library.
    pub fn svg(&self) -> Result<String> {
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, self.dots()).into_drawing_area();
            self.draw_background(&area).and_then(|()| self.draw_marks(&area, 0.0)).map_err(fault)?;
            area.present().map_err(fault)?;
        }
        // The library writes the background first; images belong right above it.
        let after_background = text.find("/>").map_or(text.len(), |i| i + 2);
        let images: String = self.rasters.iter().map(|r| r.svg()).collect::<Result<_>>()?;
        text.insert_str(after_background, &images);
        Ok(text)
    }

    /// The picture as the bytes of a PNG file.
    ///
    /// # Errors
    /// A fault of the drawing library.
    pub fn png(&self) -> Result<Vec<u8>> {
        let (width, height) = self.dots();
        let mut pixels = vec![0; width as usize * height as usize * 3];
        {
            let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
            self.draw_background(&area).map_err(fault)?;
            for raster in &self.rasters {
                let (size, mut buffer) = raster.enlarged();
                let element = BitMapElement::with_mut(dots(raster.at), size, &mut buffer);
                area.draw(&element.expect("a buffer of that size")).map_err(fault)?;
            }
            self.draw_marks(&area, BITMAP_TEXT_SHIFT).map_err(fault)?;
            area.present().map_err(fault)?;
        }
        encode(width, height, &pixels)
    }

    /// Width and height of the PNG.
    pub fn dots(&self) -> (u32, u32) {
        ((self.size.0 * DOTS) as u32, (self.size.1 * DOTS) as u32)
    }

    fn draw_background<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&rgb(PAPER))
    }

    fn draw_marks<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        text_shift: f64,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let path = |points: &[Point]| points.iter().map(|&p| dots(p)).collect::<Vec<_>>();
        for mark in &self.marks {
            match mark {
                Mark::Line { points, colour, width } => {
                    let style = ShapeStyle::from(&rgb(*colour)).stroke_width((width * DOTS).round() as u32);
                    area.draw(&PathElement::new(path(points), style))?;
                }
                Mark::Area { points, colour, opacity } => {
                    area.draw(&Polygon::new(path(points), rgb(*colour).mix(*opacity)))?;
                }
                Mark::Disc { centre, radius, colour } => {
                    let style = ShapeStyle::from(&rgb(*colour)).filled();
                    area.draw(&Circle::new(dots(*centre), (radius * DOTS) as i32, style))?;
                }
                Mark::Text { at, text, size, colour, align, upwards } => {
                    let colour = rgb(*colour);
                    let horizontal = match align {
                        Align::Left => HPos::Left,
                        Align::Centre => HPos::Center,
                        Align::Right => HPos::Right,
                    };
                    let font = (font::FAMILY, size * DOTS * font::LIBRARY_SIZE).into_font();
                    let font = if *upwards { font.transform(FontTransform::Rotate270) } else { font };
                    let style = TextStyle::from(font).color(&colour).pos(Pos::new(horizontal, VPos::Center));
                    let at = match upwards {
                        true => *at,
                        false => (at.0, at.1 + text_shift * size),
                    };
                    area.draw(&Text::new(text.clone(), dots(at), style))?;
                }
            }
        }
        Ok(())
    }
}

impl Raster {
    fn svg(&self) -> Result<String> {
        let (columns, rows) = (self.columns, self.colours.len() / self.columns);
        let png = encode(columns as u32, rows as u32, self.colours.as_flattened())?;
        let ((x, y), (width, height)) = (dots(self.at), dots(self.size));
        Ok(format!(
            "\n<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
             style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{}\"/>",
            STANDARD.encode(png)
        ))
    }

    /// Each cell as the dots that it covers.
    fn enlarged(&self) -> ((u32, u32), Vec<u8>) {
        let (columns, rows) = (self.columns, self.colours.len() / self.columns);
        let (width, height) = (dots(self.size).0 as usize, dots(self.size).1 as usize);
        let mut pixels = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                pixels.extend(self.colours[y * rows / height * columns + x * columns / width]);
            }
        }
        ((width as u32, height as u32), pixels)
    }
}

/// A line in pieces of length `dash` with gaps between them.
fn dashes(points: &[Point], dash: f64, gap: f64) -> Vec<Vec<Point>> {
    let mut pieces = Vec::new();
    let mut piece = vec![points[0]];
    let (mut drawing, mut left) = (true, dash);
    for pair in points.windows(2) {
        let ((mut x, mut y), end) = (pair[0], pair[1]);
        loop {
            let length = (end.0 - x).hypot(end.1 - y);
            if length <= left {
                left -= length;
                break;
            }
            (x, y) = (x + (end.0 - x) * left / length, y + (end.1 - y) * left / length);
            if drawing {
                piece.push((x, y));
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![(x, y)];
            }
            drawing = !drawing;
            left = if drawing { dash } else { gap };
        }
        if drawing {
            piece.push(end);
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

fn dots((x, y): Point) -> (i32, i32) {
    ((x * DOTS).round() as i32, (y * DOTS).round() as i32)
}

fn rgb([r, g, b]: Colour) -> RGBColor {
    RGBColor(r, g, b)
}

fn encode(width: u32, height: u32, pixels: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels));
    written.map_err(fault)?;
    Ok(bytes)
}

fn fault(error: impl std::fmt::Display) -> Error {
    Error::unsupported(format!("a picture cannot be drawn: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_on_around_corners() {
        let pieces = dashes(&[(0.0, 0.0), (3.0, 0.0), (3.0, 3.0)], 2.0, 1.0);
        assert_eq!(pieces, [vec![(0.0, 0.0), (2.0, 0.0)], vec![(3.0, 0.0), (3.0, 2.0)]]);
    }

    #[test]
    fn both_files_have_the_size_of_the_scene_and_lines_stop_at_gaps() {
        let mut scene = Scene::new(40.0, 30.0);
        scene.raster((5.0, 5.0), (10.0, 10.0), 2, vec![[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]);
        let pen = Pen::solid([0, 0, 0], 1.0);
        scene.line([(0.0, 1.0), (5.0, 1.0), (f64::NAN, 1.0), (9.0, 1.0), (12.0, 1.0)], pen);
        let svg = scene.svg().unwrap();
        assert!(svg.contains("viewBox=\"0 0 80 60\""));
        assert_eq!(svg.matches("<polyline").count(), 2);
        let mut reader = png::Decoder::new(std::io::Cursor::new(scene.png().unwrap())).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (80, 60));
        let pixel = |x: usize, y: usize| &pixels[(y * 80 + x) * 3..][..3];
        assert_eq!(
            (pixel(11, 11), pixel(29, 11), pixel(11, 29)),
            (&[255, 0, 0][..], &[0, 255, 0][..], &[0, 0, 255][..])
        );
    }
}
