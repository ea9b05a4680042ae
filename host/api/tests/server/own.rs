//! serin's own service, beside Tetragon's.

use serin_api::client::{self, Address, OwnClient};
use serin_api::proto::serin::*;
use serin_api::proto::{GetEventsRequest, GetVersionRequest};
use tonic::Code;

use crate::Served;

async fn own(served: &Served) -> OwnClient {
    client::connect_own(&Address::Socket(served.socket())).await.unwrap()
}

#[tokio::test]
async fn both_services_answer_on_one_socket() {
    let served = Served::start();
    let plugins = own(&served).await.list_plugins(ListPluginsRequest {}).await.unwrap().into_inner().plugins;
    assert_eq!(plugins.iter().map(|plugin| plugin.name.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    let version = served.client().await.get_version(GetVersionRequest {}).await.unwrap();
    assert_eq!(version.into_inner().version, "1.2.3");
}

#[tokio::test]
async fn a_reload_is_answered_with_what_runs_or_with_what_is_wrong() {
    let served = Served::start();
    let mut client = own(&served).await;
    let reloaded = client.reload_pipeline(ReloadPipelineRequest {}).await.unwrap().into_inner();
    assert_eq!(reloaded.plugins.len(), 2);
    let refused = client.reload_pipeline(ReloadPipelineRequest {}).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, "pipeline.yaml:3:5: no"));
}

#[tokio::test]
async fn what_clients_follow_is_told_with_what_the_agent_knows() {
    let served = Served::start();
    let _events = served.events(GetEventsRequest::default()).await;
    let status = own(&served).await.get_pipeline_status(GetPipelineStatusRequest {}).await.unwrap();
    let status = status.into_inner();
    assert_eq!((status.clients, status.backlog.unwrap().capacity), (1, 9));
    assert_eq!(status.losses, Some(Losses { backlog: 7, ..Losses::default() }));
}

#[tokio::test]
async fn policies_are_passed_on_to_be_checked() {
    let served = Served::start();
    let file = PolicyFile { file: "p.yaml".into(), yaml: "kind: Nothing".into() };
    let request = CheckPolicyRequest { files: vec![file] };
    let found = own(&served).await.check_policy(request).await.unwrap().into_inner();
    assert_eq!(found.errors[0].file, "p.yaml");
}
