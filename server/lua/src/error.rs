//! Errors that Lua sees.

/// A Lua error with a text, at the place in Lua that called.
pub fn of(text: impl Into<String>) -> mlua::Error {
    mlua::Error::RuntimeError(text.into())
}

/// What an error says, without where it comes from: what a protected call gives.
pub fn message(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => message(cause),
        other => text(other),
    }
}

/// The first lines of an error, without the frames of the gateway itself.
pub fn text(error: &mlua::Error) -> String {
    match error {
        mlua::Error::RuntimeError(text) => text.clone(),
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        mlua::Error::CallbackError { cause, traceback } => match &**cause {
            mlua::Error::CallbackError { .. } => self::text(cause),
            cause => format!("{}\n{traceback}", self::text(cause)),
        },
        mlua::Error::BadArgument { to, pos, name, cause } => {
            let name = name.as_deref().unwrap_or("?");
            format!("bad argument #{pos} to '{}' ({name}: {})", to.as_deref().unwrap_or(name), self::text(cause))
        }
        other => other.to_string(),
    }
}
