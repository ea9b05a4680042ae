//! `GetDebug` and `SetDebug`: how much the agent logs, and which processes it remembers.

use tonic::Status;

use crate::proto::*;
use crate::service::Service;

/// Tells what a flag stands for.
pub(crate) async fn get(service: &Service, request: GetDebugRequest) -> Result<GetDebugResponse, Status> {
    let flag = flag(request.flag)?;
    let arg = match flag {
        ConfigFlag::LogLevel => {
            let level = service.ask(|agent| Ok(agent.log_level())).await?;
            get_debug_response::Arg::Level(level.into())
        }
        ConfigFlag::DumpProcessCache => {
            let wanted = request.arg.map(|get_debug_request::Arg::Dump(wanted)| wanted).unwrap_or_default();
            let processes = service.ask(move |agent| agent.processes(wanted)).await?;
            get_debug_response::Arg::Processes(DumpProcessCacheResArgs { processes })
        }
    };
    Ok(GetDebugResponse { flag: flag.into(), arg: Some(arg) })
}

/// Changes what a flag stands for.
pub(crate) async fn set(service: &Service, request: SetDebugRequest) -> Result<SetDebugResponse, Status> {
    let flag = flag(request.flag)?;
    if flag != ConfigFlag::LogLevel {
        let message = format!("flag: only CONFIG_FLAG_LOG_LEVEL can be set, not {}", flag.as_str_name());
        return Err(Status::invalid_argument(message));
    }
    let Some(set_debug_request::Arg::Level(level)) = request.arg else {
        return Err(Status::invalid_argument("level: it is missing"));
    };
    let level = level_of(level)?;
    service.ask(move |agent| agent.set_log_level(level)).await?;
    let arg = Some(set_debug_response::Arg::Level(level.into()));
    Ok(SetDebugResponse { flag: flag.into(), arg })
}

fn flag(number: i32) -> Result<ConfigFlag, Status> {
    let name = |number| ConfigFlag::try_from(number).ok().map(|flag| flag.as_str_name());
    ConfigFlag::try_from(number).map_err(|_| unknown("flag", number, name))
}

fn level_of(number: i32) -> Result<LogLevel, Status> {
    let name = |number| LogLevel::try_from(number).ok().map(|level| level.as_str_name());
    LogLevel::try_from(number).map_err(|_| unknown("level", number, name))
}

/// Says which numbers there are, by their names.
fn unknown(field: &str, number: i32, name: impl Fn(i32) -> Option<&'static str>) -> Status {
    let names: Vec<_> = (0..).map_while(name).collect();
    Status::invalid_argument(format!("{field}: there is no {number}, but {}", names.join(", ")))
}
