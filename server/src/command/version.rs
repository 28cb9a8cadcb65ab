//! `silverback version`.

use super::Failure;

/// Prints the Kong version this gateway is compatible with; with `all`, its own as well.
pub fn version(all: bool) -> Result<(), Failure> {
    if all {
        println!("Silverback: {}", env!("CARGO_PKG_VERSION"));
        println!("Kong: {}", schema::KONG_VERSION);
    } else {
        println!("{}", schema::KONG_VERSION);
    }
    Ok(())
}
