//! What became of actions.

use super::fields::{Fields, ReadError};
use crate::action::{
    Action, ActionRequest, ActionResult, Method, Outcome, Source, UnknownAnswer, UnknownRecordType,
};

pub(super) fn action_result(body: &mut Fields) -> Result<ActionResult, ReadError> {
    let source = match (body.text("policy")?, body.text("plugin")?) {
        (policy, plugin) if plugin.is_empty() => Source::Policy(policy),
        (_, plugin) => Source::Plugin(plugin),
    };
    let exec_id = body.text("exec_id")?;
    let action = action(body)?;
    let outcome = outcome(body)?;
    let duration = body.integer("duration_ns")?;
    Ok(ActionResult { request: ActionRequest { source, action, exec_id }, outcome, duration })
}

fn action(body: &mut Fields) -> Result<Action, ReadError> {
    if let Some(mut dns) = body.object("dns")? {
        let name = dns.text("name")?;
        let record = match dns.text("record")?.as_str() {
            "" => None,
            text => Some(
                text.parse().map_err(|error: UnknownRecordType| dns.wrong("record", &error.to_string()))?,
            ),
        };
        dns.finish()?;
        return Ok(Action::Dns { name, record });
    }
    let Some(mut http) = body.object("http")? else {
        return Err(body.wrong("dns", "neither `dns` nor `http` is there"));
    };
    let method = match http.text("method")?.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => return Err(http.wrong("method", &format!("`{other}` is neither GET nor POST"))),
    };
    // Of a body only the size is told.
    let body = vec![0; http.integer::<u16>("body_size")?.into()];
    let url = http.text("url")?;
    http.finish()?;
    Ok(Action::Http { method, url, headers: Vec::new(), body })
}

fn outcome(body: &mut Fields) -> Result<Outcome, ReadError> {
    if let Some(resolved) = body.take("resolved") {
        let answers = body.texts("resolved", Some(resolved))?;
        let parse = |text: &String| {
            text.parse().map_err(|error: UnknownAnswer| body.wrong("resolved", &error.to_string()))
        };
        return Ok(Outcome::Resolved(answers.iter().map(parse).collect::<Result<_, _>>()?));
    }
    let status = body.integer("http_status")?;
    let (suppressed, failed) = (body.text("suppressed")?, body.text("failed")?);
    Ok(match (status, suppressed.as_str()) {
        (0, "") => Outcome::Failed(failed),
        (0, _) => Outcome::Suppressed("suppressed when this was recorded"),
        (status, _) => Outcome::HttpStatus(status),
    })
}
