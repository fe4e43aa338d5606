//! The font of the PNG pictures, which comes with the program because a fresh machine has none.
//! SVG pictures name the same family and are lettered by whoever shows them.

use std::sync::Once;

use plotters::style::{FontStyle, register_font};

/// The family that every text is written in.
pub const FAMILY: &str = "sans-serif";
/// The drawing library's font sizes count line heights, which are this much larger than the
/// sizes of CSS.
pub const LIBRARY_SIZE: f64 = 1.24;

/// Makes the font known to the drawing library.
pub fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let font = dejavu::sans::regular();
        // The bytes are a font that the library was tested with; without it texts would be
        // missing from the pictures, and drawing says so.
        let _ = register_font(FAMILY, FontStyle::Normal, font);
    });
}
