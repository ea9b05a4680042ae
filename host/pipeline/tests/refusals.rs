//! Plugins that are not started, and what the operator is told.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::{Setup, plugin};

const ENTRY: &str = "- name: suspect\n  component: suspect.wasm";

/// Magic, version 13, layer 1.
/// <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut section = vec![id, content.len().try_into().unwrap()];
    section.extend(content);
    section
}

fn name(text: &str) -> Vec<u8> {
    let mut name = vec![0, text.len().try_into().unwrap()];
    name.extend(text.as_bytes());
    name
}

/// A component that exports an empty instance.
fn exporting(interface: &str) -> Vec<u8> {
    let instance = section(5, &[1, 1, 0]);
    let export = section(11, &[&[1], name(interface).as_slice(), &[5, 0, 0]].concat());
    [COMPONENT, &instance, &export].concat()
}

/// A component that imports an empty instance.
fn importing(interface: &str) -> Vec<u8> {
    let instance_type = section(7, &[1, 0x42, 0]);
    let import = section(10, &[&[1], name(interface).as_slice(), &[5, 0]].concat());
    [COMPONENT, &instance_type, &import].concat()
}

fn refusal(component: &[u8]) -> String {
    Setup::new().with("suspect.wasm", component).refusal(ENTRY)
}

#[test]
fn files_that_are_no_plugins() {
    let cases: [(&[u8], &str); 7] = [
        (b"not wasm at all", "not a WebAssembly component"),
        (b"", "not a WebAssembly component"),
        (b"\0asm\x01\0\0\0", "a core WebAssembly module, not a component: make it one"),
        (b"\0asm\x0d\0\x01\0\xff\xff", "not a valid component: "),
        (COMPONENT, "built for another world: it does not export serin:plugin/frames@0.1.0, but nothing"),
        (
            &exporting("wasi:cli/run@0.2.0"),
            "built for another world: it does not export serin:plugin/frames@0.1.0, but wasi:cli/run@0.2.0",
        ),
        (
            &exporting("serin:plugin/frames@0.1.0"),
            "its functions do not have the types of serin:plugin@0.1.0: ",
        ),
    ];
    for (component, message) in cases {
        let expected = format!("pipeline.yaml:6:18: plugin `suspect` (suspect.wasm): {message}");
        let refusal = refusal(component);
        assert!(refusal.starts_with(&expected), "{refusal}\n  instead of\n{expected}");
    }
}

#[test]
fn missing_component() {
    let refusal = Setup::new().refusal(ENTRY);
    let expected =
        "pipeline.yaml:6:18: plugin `suspect` (suspect.wasm): cannot be read: No such file or directory";
    assert!(refusal.starts_with(expected), "{refusal}");
}

#[test]
fn other_versions() {
    for component in [
        exporting("serin:plugin/frames@0.2.0"),
        importing("serin:plugin/log@0.2.0"),
        importing("serin:plugin/types@0.2.0"),
    ] {
        let refusal = refusal(&component);
        let expected = "built for serin:plugin@0.2.0, but this serin has serin:plugin@0.1.0";
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn imports_that_nobody_granted() {
    let refused = refusal(&importing("serin:plugin/log@0.1.0"));
    assert!(
        refused.ends_with(
            "imports serin:plugin/log@0.1.0, which is not granted: write `grants: { log: true }` in its entry to grant it"
        ),
        "{refused}"
    );
    for interface in ["wasi:http/outgoing-handler@0.2.0", "serin:plugin/everything@0.1.0"] {
        let refused = refusal(&importing(interface));
        assert!(refused.contains(&format!("imports {interface}, which serin does not offer")), "{refused}");
    }
}

#[test]
fn an_ungranted_import_fails_before_any_code_runs() {
    // Had its `init` run, it would have looped until it was stopped.
    let entry = format!(
        "- name: evil\n  component: {}\n  grants: {{ kv: {{}} }}\n  config: {{ onFrame: nothing, onInit: loop }}",
        plugin("evil")
    );
    let refusal = Setup::new().refusal(&entry);
    assert!(refusal.contains("imports serin:plugin/log@0.1.0, which is not granted"), "{refusal}");
}

#[test]
fn plugins_that_fail_while_starting() {
    for (config, message) in [
        ("{ onFrame: nothing, onInit: panic }", "failed while starting: trapped: "),
        ("{ onFrame: nothing, onInit: loop }", "failed while starting: took longer than 5000 ms"),
        ("{ onFrame: nothing, onInit: allocate }", "failed while starting: wanted "),
        (
            "{ onFrame: nothing, schema: 9 }",
            "built for frame schema 9, but this serin writes 5: use a newer serin or an older plugin",
        ),
        (
            "{ onFrame: nothing, kind: process_throttle }",
            "subscribes to what does not exist: `process_throttle` is not a kind of event: write one of process_exec, ",
        ),
        (
            "{ onFrame: sing }",
            "refuses its configuration: unknown variant `sing`, expected one of `nothing`, ",
        ),
    ] {
        let entry = format!(
            "- name: evil\n  component: {}\n  grants: {{ log: true, kv: {{}} }}\n  limits: {{ memory: 4MiB }}\n  config: {config}",
            plugin("evil")
        );
        let refusal = Setup::new().refusal(&entry);
        assert!(refusal.contains(message), "{config}: {refusal}");
        let line = if message.starts_with("refuses") { ":9:15:" } else { ":6:18:" };
        assert!(refusal.contains(line), "{config}: {refusal}");
    }
}

#[test]
fn machine_code_is_not_taken() {
    let setup = Setup::new();
    let cache = serin_pipeline::Cache::open(&setup.path("cache")).unwrap();
    let file = setup.file(&format!("- name: good\n  component: {}", plugin("container-enrich")));
    serin_pipeline::Pipeline::load(&file, Some(&cache)).unwrap();
    let compiled = std::fs::read_dir(setup.path("cache")).unwrap().next().unwrap().unwrap().path();
    let refusal = refusal(&std::fs::read(compiled).unwrap());
    assert!(refusal.contains("compiled machine code: give the .wasm component instead"), "{refusal}");
}
