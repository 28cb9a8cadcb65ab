//! Where entities live, behind one trait.
