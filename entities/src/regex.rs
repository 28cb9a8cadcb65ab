//! PCRE2 as configuration checks use it.

/// Compiles a pattern; the error is nginx's text (`pcre2_compile() failed: … in "…" at "…"`).
pub fn check(pattern: &str) -> Result<(), String> {
    match pcre2::bytes::RegexBuilder::new().utf(false).build(pattern) {
        Ok(_) => Ok(()),
        Err(error) => {
            let text = error.to_string();
            let message = text.rsplit_once(": ").map_or(text.as_str(), |(_, message)| message);
            let rest = error.offset().and_then(|at| pattern.get(at..)).filter(|rest| !rest.is_empty());
            Err(match rest {
                Some(rest) => format!("pcre2_compile() failed: {message} in \"{pattern}\" at \"{rest}\""),
                None => format!("pcre2_compile() failed: {message} in \"{pattern}\""),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn errors_read_as_nginx_writes_them() {
        assert_eq!(super::check("/a$"), Ok(()));
        assert_eq!(super::check("/("), Err("pcre2_compile() failed: missing closing parenthesis in \"/(\"".to_owned()));
    }
}
