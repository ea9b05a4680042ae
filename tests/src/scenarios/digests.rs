//! Uprobes on programs that must have a digest (`binaryDigests`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::Object;
use serde_json::Value;
use serin_api::proto::{HookState, TracingPolicyState};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tempfile::TempDir;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("digests::a_program_with_one_of_them_is_hooked", hooked),
        scenario("digests::a_program_with_none_is_refused", refused),
        scenario("digests::a_program_with_none_may_be_left_out", left_out),
        scenario("digests::a_program_is_verified_again_when_its_policy_is_enabled", enabled_again),
    ]
}

/// A program of its own that can be replaced.
struct Program {
    folder: TempDir,
    content: Vec<u8>,
}

impl Program {
    fn new() -> Result<Self> {
        let program = Self { folder: tempfile::tempdir()?, content: fs::read("/bin/true")? };
        program.put(&program.content)?;
        Ok(program)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    /// Puts a file with this content in its place.
    fn put(&self, content: &[u8]) -> Result<()> {
        let new = self.folder.path().join("new");
        fs::write(&new, content)?;
        fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok(fs::rename(new, self.path())?)
    }

    /// The same program with another digest.
    fn other(&self) -> Vec<u8> {
        [&self.content[..], b"\n"].concat()
    }

    /// The address where it begins.
    fn entry(&self) -> Result<u64> {
        Ok(object::File::parse(&*self.content)?.entry())
    }

    /// A uprobe on its first instruction, with more fields.
    fn uprobe(&self, fields: &str) -> Result<String> {
        Ok(format!("  - path: {}\n    addrs: [{}]\n{fields}", self.path().display(), self.entry()?))
    }

    /// Runs it; its process.
    fn run(&self) -> Result<u32> {
        let mut child = Command::new(self.path()).spawn()?;
        child.wait()?;
        Ok(child.id())
    }

    fn is_reported(&self, agent: &mut Agent) -> Result<bool> {
        let pid = self.run()?;
        agent.settle()?;
        Ok(agent.events.iter().any(|event| is_hit(event, &self.path(), pid)))
    }
}

fn is_hit(event: &Value, path: &Path, pid: u32) -> bool {
    let hit = &event["process_uprobe"];
    hit["process"]["pid"] == pid && hit["path"] == *path.to_string_lossy()
}

fn policy(uprobes: &[String]) -> String {
    format!(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {{name: digests}}\nspec:\n  uprobes:\n{}",
        uprobes.concat()
    )
}

fn digest<H: Digest>(name: &str, content: &[u8]) -> String {
    let bytes = H::digest(content);
    format!("{name}:{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn sha256(content: &[u8]) -> String {
    digest::<Sha256>("sha256", content)
}

fn build_id(content: &[u8]) -> Result<String> {
    let object = object::File::parse(content)?;
    let bytes = object.build_id()?.context("no build ID")?;
    Ok(format!("build-id:{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

fn only(digests: &[&str]) -> String {
    format!("    binaryDigests: [{}]\n", digests.join(", "))
}

fn hooked(_: &Kernel) -> Result<()> {
    let program = Program::new()?;
    let (content, other) = (&program.content, program.other());
    let [sha384, sha512] = [digest::<Sha384>("sha384", content), digest::<Sha512>("sha512", content)];
    let wrong = sha256(&other);
    let mut all = vec![vec![sha256(content)], vec![wrong.clone(), sha512], vec![sha384, wrong]];
    // Not all distributions' linkers write one.
    all.extend(build_id(content).ok().map(|id| vec![id]));
    for digests in all {
        let digests: Vec<_> = digests.iter().map(String::as_str).collect();
        let mut agent = Setup::new()?.policy(&policy(&[program.uprobe(&only(&digests))?]))?.start()?;
        ensure!(program.is_reported(&mut agent)?, "not hooked: {digests:?}");
        program.put(&other)?;
        ensure!(!program.is_reported(&mut agent)?, "what took its place is hooked: {digests:?}");
        program.put(content)?;
        agent.stop()?;
    }
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    let program = Program::new()?;
    let fields = only(&[&sha256(&program.other()), "build-id:00"]);
    let log = Setup::new()?.policy(&policy(&[program.uprobe(&fields)?]))?.refusal()?;
    let own = sha256(&program.content);
    for words in ["policy-0.yaml:8:20:", "has none of the digests that it must have", &own] {
        ensure!(log.contains(words), "the message lacks {words:?}:\n{log}");
    }
    let malformed = program.uprobe("    binaryDigests: [sha256:00]\n")?;
    let log = Setup::new()?.policy(&policy(&[malformed]))?.refusal()?;
    for words in ["policy-0.yaml:8:21:", "has 64 hexadecimal digits, not 2"] {
        ensure!(log.contains(words), "the message lacks {words:?}:\n{log}");
    }
    Ok(())
}

fn left_out(_: &Kernel) -> Result<()> {
    let (program, wrong) = (Program::new()?, Program::new()?);
    wrong.put(&wrong.other())?;
    let digests = only(&[&sha256(&program.content)]);
    let ignoring = format!("{digests}    ignore: {{digestVerificationFailure: true}}\n");
    // What it does not have to have is not looked for in it.
    let absent = wrong.uprobe(&ignoring)?.replace("addrs: [", "symbols: [no_such_function_");
    let policy = policy(&[wrong.uprobe(&ignoring)?, program.uprobe(&digests)?, absent]);
    let mut agent = Setup::new()?.policy(&policy)?.start()?;
    ensure!(program.is_reported(&mut agent)?, "the other hook is left out as well");
    ensure!(!wrong.is_reported(&mut agent)?, "a program with none is hooked");
    let status = agent.api()?.only()?;
    let states: Vec<_> = status.hook_statuses.iter().map(|hook| hook.state()).collect();
    let (loaded, rejected) = (HookState::StatusLoaded, HookState::StatusDigestRejected);
    ensure!(states == [rejected, loaded, rejected], "{status:?}");
    ensure!(status.state() == TracingPolicyState::TpStatePartiallyEnabled, "{status:?}");
    let described = &status.hook_statuses[0].hook_description;
    ensure!(described.starts_with(&*wrong.path().to_string_lossy()), "{status:?}");
    agent.stop()?;
    Ok(())
}

fn enabled_again(_: &Kernel) -> Result<()> {
    let program = Program::new()?;
    let uprobe = program.uprobe(&only(&[&sha256(&program.content)]))?;
    let mut agent = Setup::new()?.policy(&policy(&[uprobe]))?.start()?;
    let mut api = agent.api()?;
    ensure!(program.is_reported(&mut agent)?, "not hooked at first");
    api.enable("digests", false)?;
    program.put(&program.other())?;
    let refused = api.enable("digests", true).err().context("enabled with another program")?;
    ensure!(refused.message().contains("has none of the digests"), "{refused:?}");
    let status = api.only()?;
    ensure!(status.state() == TracingPolicyState::TpStateDisabled, "{status:?}");
    ensure!(status.error.contains(&sha256(&program.other())), "{status:?}");
    ensure!(!program.is_reported(&mut agent)?, "another program is hooked");
    program.put(&program.content)?;
    api.enable("digests", true)?;
    ensure!(program.is_reported(&mut agent)?, "not hooked though it is the program again");
    ensure!(api.only()?.error.is_empty(), "an error from before: {:?}", api.only()?);
    agent.stop()?;
    Ok(())
}
