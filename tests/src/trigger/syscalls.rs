//! Any system call, with arguments that are given.

use std::ffi::CString;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};

use super::{Ended, errno, run, say};

/// An argument of a system call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Word<'a> {
    /// A number.
    Number(i64),
    /// The address of a text that ends in NUL.
    Text(&'a str),
    /// The address of these bytes.
    Bytes(&'a [u8]),
    /// The descriptor of a socket.
    Socket,
}

/// Makes a system call with at most six arguments; those that are left out are 0.
pub(crate) fn call(number: libc::c_long, arguments: &[Word<'_>]) -> Result<Ended> {
    let mut words = vec!["system-call".to_owned(), number.to_string()];
    words.extend(arguments.iter().map(|word| match word {
        Word::Number(number) => format!("number:{number}"),
        Word::Text(text) => format!("text:{text}"),
        Word::Bytes(bytes) => bytes.iter().fold("bytes:".to_owned(), |word, byte| format!("{word}{byte},")),
        Word::Socket => "socket:".to_owned(),
    }));
    run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The other side.
pub(super) fn act(words: &[&str]) -> Result<()> {
    let (number, words) = words.split_first().context("no system call")?;
    ensure!(words.len() <= 6, "a system call has at most six arguments");
    // Both outlive the call; what is written here is memory that has been touched.
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let memory = words.iter().map(|word| memory(word)).collect::<Result<Vec<_>>>()?;
    let mut arguments = [0_i64; 6];
    for ((argument, word), memory) in arguments.iter_mut().zip(words).zip(&memory) {
        *argument = match (word.split_once(':'), memory) {
            (Some(("number", number)), _) => number.parse()?,
            (Some(("socket", _)), _) => socket.as_raw_fd().into(),
            (_, Some(memory)) => memory.as_ptr() as i64,
            _ => 0,
        };
    }
    let [first, second, third, fourth, fifth, sixth] = arguments;
    // SAFETY: what is pointed to outlives the call; who asks for the call names one that writes nowhere.
    #[allow(unsafe_code, reason = "only the raw call takes any number")]
    let result =
        unsafe { libc::syscall(number.parse::<libc::c_long>()?, first, second, third, fourth, fifth, sixth) };
    say(if result < 0 { errno(std::io::Error::last_os_error()) } else { 0 })
}

/// What an argument points to, if it is an address.
fn memory(word: &str) -> Result<Option<Vec<u8>>> {
    Ok(match word.split_once(':') {
        Some(("text", text)) => Some(CString::new(text)?.into_bytes_with_nul()),
        Some(("bytes", bytes)) => {
            Some(bytes.split_terminator(',').map(str::parse).collect::<Result<_, _>>()?)
        }
        _ => None,
    })
}
