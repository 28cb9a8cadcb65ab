//! The bundled plugins, one file or folder each.
