//! Surrogates made from a cell model that was taken apart: tables, monomials, and networks for the remainder.
