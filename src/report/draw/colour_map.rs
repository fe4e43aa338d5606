//! Colours of maps: an even one for amounts, one with a neutral middle for differences.

use super::axis::Axis;
use super::panel::Panel;
use super::scene::{Align, Pen, Scene};
use super::style::{Colour, INK, MUTED, NORMAL, SMALL};

/// Where nothing is known.
const UNKNOWN: Colour = [0x9A, 0xA0, 0xA6];
/// Every eighth part of Matplotlib's viridis.
const AMOUNT: [Colour; 9] = [
    [0x44, 0x01, 0x54],
    [0x47, 0x2D, 0x7B],
    [0x3B, 0x52, 0x8B],
    [0x2C, 0x72, 0x8E],
    [0x21, 0x91, 0x8C],
    [0x28, 0xAE, 0x80],
    [0x5E, 0xC9, 0x62],
    [0xAD, 0xDC, 0x30],
    [0xFD, 0xE7, 0x25],
];
/// Blue over white to red, legible for colour-blind readers (ColorBrewer's RdBu).
const DIFFERENCE: [Colour; 7] = [
    [0x21, 0x66, 0xAC],
    [0x67, 0xA9, 0xCF],
    [0xD1, 0xE5, 0xF0],
    [0xF7, 0xF7, 0xF7],
    [0xFD, 0xDB, 0xC7],
    [0xEF, 0x8A, 0x62],
    [0xB2, 0x18, 0x2B],
];

/// A way from numbers to colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourMap {
    /// Viridis: dark is little, bright is much.
    Amount,
    /// Blue is below zero, red above.
    Difference,
}

impl ColourMap {
    /// The colour of a place from 0 to 1.
    pub fn colour(self, place: f64) -> Colour {
        if !place.is_finite() {
            return UNKNOWN;
        }
        let stops = match self {
            Self::Amount => &AMOUNT[..],
            Self::Difference => &DIFFERENCE[..],
        };
        let place = place.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
        let i = (place as usize).min(stops.len() - 2);
        let part = place - i as f64;
        let mix = |a: u8, b: u8| (f64::from(a) * (1.0 - part) + f64::from(b) * part).round() as u8;
        std::array::from_fn(|channel| mix(stops[i][channel], stops[i + 1][channel]))
    }

    /// The colours of `values`, scaled by `axis`.
    pub fn colours(self, values: impl Iterator<Item = f64>, axis: &Axis) -> Vec<Colour> {
        values.map(|v| self.colour(if v.is_finite() { axis.place(v) } else { f64::NAN })).collect()
    }

    /// A bar beside `panel` that tells what the colours mean.
    pub fn bar_beside(self, scene: &mut Scene, panel: &Panel, axis: &Axis) {
        let (left, width) = (panel.right() + 12.0, 12.0);
        const N: usize = 128;
        let colours = (0..N).map(|i| self.colour(1.0 - (i as f64 + 0.5) / N as f64)).collect();
        scene.raster((left, panel.top), (width, panel.height), 1, colours);
        let (r, b) = (left + width, panel.bottom());
        let outline = [(left, panel.top), (r, panel.top), (r, b), (left, b), (left, panel.top)];
        scene.line(outline, Pen::solid(MUTED, 1.0));
        for (value, text) in axis.ticks((panel.height / 38.0).max(2.0) as usize) {
            let y = panel.top + panel.height * (1.0 - axis.place(value));
            scene.line([(r, y), (r + 4.0, y)], Pen::solid(MUTED, 1.0));
            scene.text((r + 7.0, y), text, SMALL, INK, Align::Left);
        }
        scene.text_upwards((r + 54.0, panel.top + panel.height / 2.0), &*axis.label, NORMAL, INK);
    }
}
