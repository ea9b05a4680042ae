//! Bad input: refused with a message that helps, a non-zero status, and nothing left in the kernel.

use anyhow::{Result, ensure};

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::component;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_file, on_symlinkat};

/// `CAP_BPF`, `CAP_PERFMON` and `CAP_SYS_ADMIN`, which includes both.
const BPF_CAPABILITIES: [u32; 3] = [39, 38, 21];

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("bad_input::malformed_policy", malformed_policy),
        scenario("bad_input::unknown_field_in_a_policy", unknown_policy_field),
        scenario("bad_input::unsupported_type", unsupported_type),
        scenario("bad_input::malformed_pipeline", malformed_pipeline),
        scenario("bad_input::unknown_field_in_a_pipeline", unknown_pipeline_field),
        scenario("bad_input::missing_component", missing_component),
        scenario("bad_input::component_of_another_world", component_of_another_world),
        scenario("bad_input::component_with_an_ungranted_import", ungranted_import),
        scenario("bad_input::component_with_an_unknown_import", unknown_import),
        scenario("bad_input::not_a_component", not_a_component),
        scenario("bad_input::no_such_function", no_such_function),
        scenario("bad_input::argument_type_against_btf", argument_type_against_btf),
        scenario("bad_input::no_btf", no_btf),
        scenario("bad_input::no_capability", no_capability),
        scenario("bad_input::second_agent", second_agent),
    ]
}

/// The refusal must contain all of these.
fn says(log: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(log.contains(word), "the message lacks {word:?}:\n{log}");
    }
    Ok(())
}

fn malformed_policy(_: &Kernel) -> Result<()> {
    let log = Setup::new()?.policy("apiVersion: cilium.io/v1alpha1\nkind: [unclosed\n")?.refusal()?;
    says(&log, &["policy-0.yaml:"])
}

fn unknown_policy_field(_: &Kernel) -> Result<()> {
    let yaml = on_symlinkat("typo", PASSWD).replace("matchArgs", "matchArg");
    let log = Setup::new()?.policy(&yaml)?.refusal()?;
    says(&log, &["policy-0.yaml:17:", "matchArg", "matchArgs"])
}

fn unsupported_type(_: &Kernel) -> Result<()> {
    let yaml = on_symlinkat("later", PASSWD).replacen("type: string", "type: const_buf", 1);
    let log = Setup::new()?.policy(&yaml)?.refusal()?;
    says(&log, &["policy-0.yaml:", "`const_buf` is a type of arrays in records of tracepoints"])
}

fn malformed_pipeline(_: &Kernel) -> Result<()> {
    let log = Setup::new()?.pipeline("apiVersion: serin.dev/v1alpha1\nkind: [unclosed\n")?.refusal()?;
    says(&log, &["pipeline.yaml"])
}

fn unknown_pipeline_field(_: &Kernel) -> Result<()> {
    let yaml = "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  plugin: []\n";
    let log = Setup::new()?.pipeline(yaml)?.refusal()?;
    says(&log, &["pipeline.yaml", "plugin", "plugins"])
}

/// A pipeline with one plugin, whose component is this file beside the pipeline.
fn with_component(name: &str, content: Option<&[u8]>) -> Result<String> {
    let yaml = format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  plugins:
    - name: suspect
      component: {name}
  sinks:
    - stdout: {{ format: json }}
"
    );
    let mut setup = Setup::new()?.pipeline(&yaml)?;
    if let Some(content) = content {
        setup = setup.file(name, content)?;
    }
    setup.refusal()
}

fn missing_component(_: &Kernel) -> Result<()> {
    says(&with_component("absent.wasm", None)?, &["suspect", "absent.wasm"])
}

fn component_of_another_world(_: &Kernel) -> Result<()> {
    let log = with_component("empty.wasm", Some(&component::of_no_world()))?;
    says(&log, &["suspect", "empty.wasm", "built for another world", "serin:plugin/frames"])
}

fn ungranted_import(_: &Kernel) -> Result<()> {
    let faulty = std::fs::read(crate::root().join("target/plugins/faulty.wasm"))?;
    let log = with_component("faulty.wasm", Some(&faulty))?;
    says(&log, &["suspect", "serin:plugin/log", "not granted", "grants: { log: true }"])
}

fn unknown_import(_: &Kernel) -> Result<()> {
    let interface = "wasi:http/outgoing-handler@0.2.0";
    let log = with_component("greedy.wasm", Some(&component::that_imports(interface)))?;
    says(&log, &["suspect", "greedy.wasm", interface])
}

fn not_a_component(_: &Kernel) -> Result<()> {
    says(&with_component("text.wasm", Some(b"not wasm at all"))?, &["suspect", "text.wasm"])
}

fn no_such_function(_: &Kernel) -> Result<()> {
    let yaml = on_file("absent", "no_such_function", 0, PASSWD);
    let log = Setup::new()?.policy(&yaml)?.refusal()?;
    says(&log, &["policy-0.yaml:7:", "no_such_function"])
}

fn argument_type_against_btf(_: &Kernel) -> Result<()> {
    // fd_install(unsigned int fd, struct file *file): the file is argument 1.
    let yaml = on_file("wrong", "fd_install", 0, PASSWD);
    let log = Setup::new()?.policy(&yaml)?.refusal()?;
    says(&log, &["policy-0.yaml:", "fd_install", "file"])
}

fn no_btf(_: &Kernel) -> Result<()> {
    let log = Setup::new()?.without_btf().refusal()?;
    says(&log, &["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"])
}

fn no_capability(_: &Kernel) -> Result<()> {
    let log = Setup::new()?.without_capabilities(BPF_CAPABILITIES).refusal()?;
    says(&log, &["CAP_BPF"])
}

fn second_agent(_: &Kernel) -> Result<()> {
    let mut first = Setup::new()?.start()?;
    let log = Setup::new()?.refusal()?;
    says(&log, &["another serin agent is running"])?;
    first.settle()?;
    first.stop()?;
    Ok(())
}
