//! Functions of the C library, which are there to be hooked.

use std::ffi::CString;

use anyhow::{Result, bail, ensure};

use super::{Ended, run, say};

/// Has the C library make seconds of this day of January 2000, in a time zone of this name; without one, of no time at all.
pub(crate) fn make_time(day: u8, zone: &str) -> Result<Ended> {
    run(&["library", "mktime", &day.to_string(), zone])
}

/// Has the C library make a number of a text.
pub(crate) fn parse_number(text: &str) -> Result<Ended> {
    run(&["library", "atoi", text])
}

/// Has the C library make a number of a text, and says which.
pub(crate) fn number_of(text: &str) -> Result<Ended> {
    run(&["library", "number", text])
}

/// Has the C library make a capital letter of one, and says which.
pub(crate) fn capital_of(letter: char) -> Result<Ended> {
    run(&["library", "toupper", &letter.to_string()])
}

/// Has the C library look up a name, or an address that stands for itself.
pub(crate) fn look_up(name: &str) -> Result<Ended> {
    run(&["library", "getaddrinfo", name])
}

/// The other side.
pub(super) fn act(words: &[&str]) -> Result<()> {
    match words {
        ["mktime", day, zone] => say(mktime(day.parse()?, zone)?)?,
        ["atoi", text] => {
            let parsed = atoi(text)?;
            ensure!(text.parse() == Ok(parsed), "{text} became {parsed}");
            say(0)?;
        }
        ["number", text] => say(atoi(text)?)?,
        ["toupper", letter] => say(toupper(letter.parse()?))?,
        ["getaddrinfo", name] => say(get_address_info(name)?)?,
        _ => bail!("unknown function {words:?}"),
    }
    Ok(())
}

/// `atoi(3)`, on a text in memory that has been touched.
fn atoi(text: &str) -> Result<i32> {
    let text = CString::new(text)?;
    #[allow(unsafe_code, reason = "the function is there to be hooked")]
    // SAFETY: the text ends in NUL.
    Ok(unsafe { libc::atoi(text.as_ptr()) })
}

/// `toupper(3)`
fn toupper(letter: char) -> i32 {
    #[allow(unsafe_code, reason = "the function is there to be hooked")]
    // SAFETY: it takes any character.
    unsafe {
        libc::toupper(letter as i32)
    }
}

/// `mktime(3)`, on memory that has been touched.
fn mktime(day: i32, zone: &str) -> Result<i32> {
    let zone = CString::new(zone)?;
    #[allow(unsafe_code, reason = "the function is there to be hooked")]
    // SAFETY: all zeros are a time, and the zone outlives it.
    unsafe {
        let mut time: libc::tm = std::mem::zeroed();
        (time.tm_mday, time.tm_year, time.tm_gmtoff) = (day, 100, -7200);
        if !zone.is_empty() {
            time.tm_zone = zone.as_ptr();
        }
        Ok(i32::from(libc::mktime(&raw mut time) == -1))
    }
}

/// `getaddrinfo(3)`, which the standard library does not ask about what is an address already.
fn get_address_info(name: &str) -> Result<i32> {
    let name = CString::new(name)?;
    let mut found = std::ptr::null_mut();
    #[allow(unsafe_code, reason = "the function is there to be hooked")]
    // SAFETY: the name ends in NUL; what was found is freed if there is anything.
    unsafe {
        let error = libc::getaddrinfo(name.as_ptr(), std::ptr::null(), std::ptr::null(), &raw mut found);
        if error == 0 {
            libc::freeaddrinfo(found);
        }
        Ok(error)
    }
}
