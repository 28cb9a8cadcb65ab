//! Clocks.

use mlua::{Lua, Table};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::macros::format_description;

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn utc() -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    OffsetDateTime::now_utc().format(format).unwrap_or_default()
}

pub(super) fn add(lua: &Lua, ngx: &Table) -> mlua::Result<()> {
    ngx.set("time", lua.create_function(|_, ()| Ok(now().as_secs() as f64))?)?;
    ngx.set("now", lua.create_function(|_, ()| Ok(now().as_millis() as f64 / 1000.0))?)?;
    ngx.set("update_time", lua.create_function(|_, ()| Ok(()))?)?;
    ngx.set("utctime", lua.create_function(|_, ()| Ok(utc()))?)?;
    ngx.set("localtime", lua.create_function(|_, ()| Ok(utc()))?)?;
    ngx.set("today", lua.create_function(|_, ()| Ok(utc().chars().take(10).collect::<String>()))?)?;
    ngx.set(
        "http_time",
        lua.create_function(|_, seconds: f64| {
            Ok(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs_f64(seconds.clamp(0.0, 2.5e11))))
        })?,
    )?;
    ngx.set(
        "cookie_time",
        lua.create_function(|_, seconds: f64| {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs_f64(seconds.clamp(0.0, 2.5e11)));
            // Netscape's form: `Thu, 18-Nov-10 11:27:35 GMT`.
            let parts: Vec<&str> = text.split(' ').collect();
            let [weekday, day, month, year, clock, zone] = parts.as_slice() else { return Ok(text) };
            Ok(format!("{weekday} {day}-{month}-{} {clock} {zone}", &year[2..]))
        })?,
    )?;
    ngx.set(
        "parse_http_time",
        lua.create_function(|_, text: String| {
            let time = httpdate::parse_http_date(&text).ok();
            Ok(time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs() as f64))
        })?,
    )
}
