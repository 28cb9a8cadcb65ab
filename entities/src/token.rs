//! Random ids and keys.

use uuid::Uuid;

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A random UUID (version 4).
pub fn random_uuid() -> String {
    Uuid::new_v4().to_string()
}

/// 32 random letters and digits: generated keys and secrets.
pub fn random_token() -> String {
    let mut out = String::with_capacity(32);
    while out.len() < 32 {
        for (index, byte) in Uuid::new_v4().into_bytes().into_iter().enumerate() {
            // Bytes 6 and 8 of a version 4 UUID hold its version and variant; bytes from 248 would make some letters
            // likelier than others.
            if index != 6 && index != 8 && byte < 248 && out.len() < 32 {
                out.push(char::from(LETTERS[usize::from(byte) % 62]));
            }
        }
    }
    out
}
