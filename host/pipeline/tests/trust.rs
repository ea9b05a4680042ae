//! Components that are pinned, signed, or not; and configurations in files of their own.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use serin_pipeline::{Digest, Inspection, Pipeline, PipelineFile, SigningKey, signature_file};
use support::{File, Setup, event, plugin};

fn file(setup: &Setup, trust: &str, entry: &str) -> Result<File, String> {
    let text = format!(
        "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n{trust}  plugins:\n    - name: x\n      component: x.wasm\n{entry}"
    );
    PipelineFile::parse(&setup.path("p.yaml"), text).map_err(|error| error.to_string())
}

fn start(setup: &Setup, trust: &str, entry: &str) -> Result<Pipeline, String> {
    Pipeline::load(&file(setup, trust, entry)?, None).map_err(|error| error.to_string())
}

fn setup() -> (Setup, Digest) {
    let bytes = std::fs::read(plugin("container-enrich")).unwrap();
    let digest = Digest::of(&bytes);
    (Setup::new().with("x.wasm", &bytes), digest)
}

#[test]
fn a_pinned_component_is_that_or_none() {
    let (setup, digest) = setup();
    assert_eq!(Inspection::of(&setup.path("x.wasm"), "null").unwrap().digest, digest);
    start(&setup, "", &format!("      digest: {digest}\n")).unwrap();
    let other = Digest::of(b"other");
    let error = start(&setup, "", &format!("      digest: {other}\n")).unwrap_err();
    assert!(
        error.contains(&format!(
            "p.yaml:7:15: plugin `x` (x.wasm): its digest is {digest}, but the entry says {other}"
        )),
        "{error}"
    );
    let error = start(&setup, "", "      digest: abc\n").unwrap_err();
    assert!(error.contains(":7:15: ") && error.contains("`abc` is not a digest: write `sha256:`"), "{error}");
}

#[test]
fn with_trust_a_component_needs_a_signature() {
    let (setup, digest) = setup();
    let (key, _) = SigningKey::generate().unwrap();
    let trust = format!("  trust: {{ keys: ['{}'] }}\n", key.public());
    let error = start(&setup, &trust, "").unwrap_err();
    assert!(error.contains("`spec.trust` asks for a signature, and it is not signed: "), "{error}");
    std::fs::write(signature_file(&setup.path("x.wasm")), key.sign(&digest)).unwrap();
    start(&setup, &trust, "").unwrap();
    let (stranger, _) = SigningKey::generate().unwrap();
    std::fs::write(signature_file(&setup.path("x.wasm")), stranger.sign(&digest)).unwrap();
    let error = start(&setup, &trust, "").unwrap_err();
    assert!(error.contains("signed by none of the trusted keys"), "{error}");
    start(&setup, "", "").unwrap();
    for (trust, message) in [
        ("  trust: { keys: [] }\n", "`keys` is empty"),
        ("  trust: { keys: [x] }\n", "`x` is not a public key"),
    ] {
        let error = start(&setup, trust, "").unwrap_err();
        assert!(error.contains(message) && error.contains("p.yaml:4:"), "{error}");
    }
}

#[test]
fn a_configuration_can_be_a_file() {
    let bytes = std::fs::read(plugin("rules")).unwrap();
    let rules =
        "rules:\n- { id: r, title: t, severity: low, events: [process_exec], when: { process.name: ln } }\n";
    let setup = Setup::new().with("x.wasm", &bytes).with("rules.yaml", rules.as_bytes());
    let mut pipeline = start(&setup, "", "      configFile: rules.yaml\n").unwrap();
    let mut events = vec![event(serin_event::EventKind::Exec)];
    pipeline.process(&mut events);
    assert_eq!(events[0].alerts[0].rule, "r");
    for (text, message) in
        [("rules: [", "rules.yaml:2:1: "), ("rules: []", "refuses its configuration: `rules` is empty")]
    {
        std::fs::write(setup.path("rules.yaml"), text).unwrap();
        let error = start(&setup, "", "      configFile: rules.yaml\n").unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    let error = start(&setup, "", "      configFile: none.yaml\n").unwrap_err();
    assert!(
        error.contains("p.yaml:7:19: plugin `x` (x.wasm): its configuration: ")
            && error.contains("none.yaml: cannot be read"),
        "{error}"
    );
    let error = start(&setup, "", "      configFile: rules.yaml\n      config: {}\n").unwrap_err();
    assert!(error.contains("both `config` and `configFile`"), "{error}");
}
