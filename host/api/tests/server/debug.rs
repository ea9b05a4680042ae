//! `GetDebug` and `SetDebug`.

use serin_api::proto::*;
use tonic::Code;

use crate::Served;

fn flag(flag: ConfigFlag) -> GetDebugRequest {
    GetDebugRequest { flag: flag.into(), arg: None }
}

#[tokio::test]
async fn the_log_level_is_told_and_set() {
    let served = Served::start();
    let mut client = served.client().await;
    let told = client.get_debug(flag(ConfigFlag::LogLevel)).await.unwrap().into_inner();
    assert_eq!(told.arg, Some(get_debug_response::Arg::Level(LogLevel::Warn.into())));
    let level = LogLevel::Trace.into();
    let arg = Some(set_debug_request::Arg::Level(level));
    let request = SetDebugRequest { flag: ConfigFlag::LogLevel.into(), arg };
    let set = client.set_debug(request).await.unwrap().into_inner();
    assert_eq!(set.arg, Some(set_debug_response::Arg::Level(level)));
    assert_eq!(*served.agent.0.lock().unwrap(), ["log level Trace"]);
}

#[tokio::test]
async fn the_process_cache_is_told_as_far_as_it_is_wanted() {
    let served = Served::start();
    let mut client = served.client().await;
    for (wanted, expected) in [
        (None, vec![Some(0), Some(1)]),
        (Some(DumpProcessCacheReqArgs { skip_zero_refcnt: true, ..Default::default() }), vec![Some(1)]),
    ] {
        let arg = wanted.map(get_debug_request::Arg::Dump);
        let request = GetDebugRequest { arg, ..flag(ConfigFlag::DumpProcessCache) };
        let told = client.get_debug(request).await.unwrap().into_inner();
        let Some(get_debug_response::Arg::Processes(told)) = told.arg else { panic!("{told:?}") };
        assert_eq!(told.processes.iter().map(|it| it.refcnt).collect::<Vec<_>>(), expected);
    }
    let wanted = DumpProcessCacheReqArgs { exclude_execve_map_processes: true, ..Default::default() };
    let arg = Some(get_debug_request::Arg::Dump(wanted));
    let request = GetDebugRequest { arg, ..flag(ConfigFlag::DumpProcessCache) };
    assert_eq!(client.get_debug(request).await.unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn what_there_is_not_is_refused_with_what_there_is() {
    let served = Served::start();
    let mut client = served.client().await;
    let unknown = GetDebugRequest { flag: 7, arg: None };
    let refused = client.get_debug(unknown).await.unwrap_err();
    let expected = "flag: there is no 7, but CONFIG_FLAG_LOG_LEVEL, CONFIG_FLAG_DUMP_PROCESS_CACHE";
    assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, expected));
    let set = |flag: i32, level: Option<i32>| SetDebugRequest {
        flag,
        arg: level.map(set_debug_request::Arg::Level),
    };
    let (level, cache) = (ConfigFlag::LogLevel.into(), ConfigFlag::DumpProcessCache.into());
    for (request, expected) in [
        (set(7, Some(5)), "flag: there is no 7, but "),
        (set(cache, None), "flag: only CONFIG_FLAG_LOG_LEVEL can be set, not CONFIG_FLAG_DUMP_PROCESS_CACHE"),
        (set(level, None), "level: it is missing"),
        (set(level, Some(9)), "level: there is no 9, but LOG_LEVEL_PANIC, "),
    ] {
        let refused = client.set_debug(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(expected), "{refused}");
    }
    assert!(served.agent.0.lock().unwrap().is_empty(), "something was set");
}
