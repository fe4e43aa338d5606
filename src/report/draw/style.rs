//! Colours and sizes that all pictures share.
//!
//! Lines have the colours of Okabe and Ito (2008), which colour-blind readers tell apart. The
//! page's style sheet replaces these values one by one in the dark.

/// Red, green, blue.
pub type Colour = [u8; 3];

/// Background.
pub const PAPER: Colour = [0xFF, 0xFF, 0xFF];
/// Text and frames.
pub const INK: Colour = [0x1F, 0x23, 0x28];
/// Secondary text.
pub const MUTED: Colour = [0x59, 0x63, 0x6E];
/// Grid lines.
pub const GRID: Colour = [0xE4, 0xE7, 0xEB];

/// The solver: the reference solution, or the tissue computed with it.
pub const REFERENCE: Colour = [0x00, 0x72, 0xB2];
/// The surrogate.
pub const SURROGATE: Colour = [0xD5, 0x5E, 0x00];
/// Forward Euler.
pub const EULER: Colour = [0x00, 0x9E, 0x73];
/// Further curves, in this order.
pub const SERIES: [Colour; 5] =
    [[0x00, 0x72, 0xB2], [0x00, 0x9E, 0x73], [0xCC, 0x79, 0xA7], [0xE6, 0x9F, 0x00], [0x56, 0xB4, 0xE9]];

/// Text of ticks and legends.
pub const SMALL: f64 = 12.5;
/// Titles and axis labels.
pub const NORMAL: f64 = 13.5;
