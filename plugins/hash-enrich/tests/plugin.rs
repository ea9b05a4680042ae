//! The plugin on events.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use hash_enrich::HashEnrich;
use serin_plugin::hash::{Digest, Missing};
use serin_plugin::{Kind, testing};

const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const CONTAINER: &str = "/docker/5e51a11d5e51a11d5e51a11d5e51a11d5e51a11d5e51a11d5e51a11d5e51a11d";

#[test]
fn programs_have_digests_or_a_reason() {
    let mut plugin: HashEnrich = testing::init("{}").unwrap();
    let known = |of_process| Ok(Digest { sha256: SHA256.to_owned(), of_process });
    for (answer, cgroup, key, value) in [
        (known(true), "/", "process.sha256", SHA256),
        (known(true), CONTAINER, "process.sha256", SHA256),
        (known(false), "/system.slice/ssh.service", "process.sha256", SHA256),
        (known(false), CONTAINER, "process.sha256_missing", "gone"),
        (Err(Missing::Pending), "/", "process.sha256_missing", "pending"),
        (Err(Missing::Gone), "/", "process.sha256_missing", "gone"),
        (Err(Missing::TooLarge), "/", "process.sha256_missing", "too large"),
    ] {
        testing::program_digest("/bin/ls", answer.clone());
        let effects = testing::on_event(&mut plugin, |event| {
            event.kind_code(Kind::ProcessExec.code());
            event.new_process().binary("/bin/ls").pid(7).cgroup(cgroup);
        });
        let found: Vec<_> = effects.annotations.iter().map(|a| (a.key.as_str(), a.value.as_str())).collect();
        assert_eq!(found, [(key, value)], "{answer:?} in {cgroup}");
    }
}
