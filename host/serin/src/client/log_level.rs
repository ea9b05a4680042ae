//! `serin log-level`.

use anyhow::{Result, bail};
use clap::ValueEnum;
use serin_api::client::Address;
use serin_api::proto::{
    ConfigFlag, GetDebugRequest, LogLevel, SetDebugRequest, get_debug_response, set_debug_request,
};

use super::{said, with_client};
use crate::log;

/// How much an agent logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// Nothing
    Off,
    /// What can't be done
    Error,
    /// And what may not be as it should
    Warn,
    /// And what happens now and then
    Info,
    /// And what helps to find mistakes
    Debug,
    /// And everything else
    Trace,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Off => Self::Panic,
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }
}

/// Changes how much the agent logs, if a level is given; prints how much it does.
pub(crate) fn log_level(address: &Address, level: Option<Level>) -> Result<()> {
    let flag = ConfigFlag::LogLevel.into();
    let now = with_client(address, async |mut client| {
        if let Some(level) = level {
            let arg = Some(set_debug_request::Arg::Level(LogLevel::from(level).into()));
            client.set_debug(SetDebugRequest { flag, arg }).await.map_err(said)?;
        }
        let told = client.get_debug(GetDebugRequest { flag, arg: None }).await.map_err(said)?;
        Ok(told.into_inner().arg)
    })?;
    let Some(get_debug_response::Arg::Level(now)) = now else { bail!("the agent sent no level") };
    println!("{}", log::name(LogLevel::try_from(now)?));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_called_what_is_printed() {
        for level in Level::value_variants() {
            let name = level.to_possible_value().map(|value| value.get_name().to_owned());
            assert_eq!(name.as_deref(), Some(log::name((*level).into())));
        }
    }
}
