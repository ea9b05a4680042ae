#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// The settings that are printed, for a command line, an environment and the text of a file.
fn printed(flags: &[&str], environment: &[(&str, &str)], text: Option<&str>) -> Result<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serin.yaml");
    let mut arguments = vec!["serin".to_owned(), "run".to_owned()];
    if let Some(text) = text {
        std::fs::write(&file, text).unwrap();
        arguments.extend(["--config".to_owned(), file.display().to_string()]);
    }
    arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
    let given = relaxed().try_get_matches_from(&arguments).unwrap();
    let variable = |name: &str| {
        let found = environment.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| OsString::from(value))
    };
    let settings = gather(given.subcommand_matches(RUN).unwrap(), variable)?;
    let command = Cli::command().mut_subcommand(RUN, |run| with_defaults(run, &settings));
    let matches = command.try_get_matches_from(&arguments).map_err(|error| anyhow::anyhow!("{error}"))?;
    let text = print::render(&run_command(), matches.subcommand_matches(RUN).unwrap(), &settings);
    Ok(text.replace(&folder.path().display().to_string(), "DIR"))
}

fn spec(settings: &str) -> String {
    format!("apiVersion: serin.dev/v1alpha1\nkind: Agent\nspec:\n{settings}")
}

#[test]
fn flags_go_over_the_environment_and_that_over_the_file() {
    let file = spec("  pipeline: p.yaml\n  cache: /file\n  policies: [a, /b]\n  api-socket: /file.sock\n");
    let environment = [("SERIN_CACHE", "/environment"), ("SERIN_API_SOCKET", "/environment.sock")];
    let text = printed(&["--api-socket", "/flag.sock"], &environment, Some(&file)).unwrap();
    for line in [
        "  pipeline: \"DIR/p.yaml\"  # DIR/serin.yaml\n",
        "  policies: [\"DIR/a\", \"/b\"]  # DIR/serin.yaml\n",
        "  cache: \"/environment\"  # SERIN_CACHE\n",
        "  api-socket: \"/flag.sock\"  # --api-socket\n",
        "  metrics: [\"unix:/run/serin/metrics.sock\"]  # default\n",
        "  # api-cert: not set\n",
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
}

#[test]
fn what_is_printed_can_be_read_back() {
    let flags = ["--pipeline", "/p.yaml", "--no-metrics", "--api-address", "127.0.0.1:1", "[::1]:2"];
    let without_sources = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  # ").next().unwrap_or_default().to_owned()).collect()
    };
    let first = printed(&flags, &[], None).unwrap();
    let again = printed(&[], &[], Some(&first)).unwrap();
    assert_eq!(without_sources(&first), without_sources(&again));
}

#[test]
fn lists_and_switches_come_from_the_environment_too() {
    let environment = [
        ("SERIN_PIPELINE", "/p.yaml"),
        ("SERIN_METRICS", "127.0.0.1:1,unix:/m.sock"),
        ("SERIN_NO_API", "true"),
    ];
    let text = printed(&[], &environment, None).unwrap();
    for line in [
        "  metrics: [\"127.0.0.1:1\", \"unix:/m.sock\"]  # SERIN_METRICS\n",
        "  no-api: true  # SERIN_NO_API\n",
        "  # api-socket: not set\n",
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
}

#[test]
fn what_contradicts_a_stronger_setting_goes() {
    let file = spec("  pipeline: /p.yaml\n  no-api: true\n");
    let text = printed(&["--api-socket", "/flag.sock"], &[], Some(&file)).unwrap();
    assert!(
        text.contains("api-socket: \"/flag.sock\"") && text.contains("no-api: false  # default"),
        "{text}"
    );
    let text = printed(&[], &[("SERIN_NO_API", "false")], Some(&file)).unwrap();
    assert!(text.contains("no-api: false  # SERIN_NO_API"), "{text}");
}

#[test]
fn errors_say_where_and_what_to_write() {
    let error = |environment: &[(&str, &str)], text: Option<&str>| {
        let error = printed(&["--pipeline", "/p.yaml"], environment, text).unwrap_err();
        format!("{error:#}")
    };
    for (settings, expected) in [
        ("  cach: /x\n", "serin.yaml:4:3: spec: unknown key `cach`: write one of policies, pipeline"),
        ("  print-config: true\n", "serin.yaml:4:3: spec: unknown key `print-config`"),
        ("  metrics: [127.0.0.1:1, nowhere]\n", "serin.yaml:4:26: spec.metrics[1]: `nowhere` is no endpoint"),
        ("  cache: [/a, /b]\n", "a list, where there can be only one value"),
        ("  no-api: 3\n", "serin.yaml:4:11: spec.no-api: `3` is neither `true` nor `false`"),
        ("  no-api: true\n  api-socket: /x\n", "exclude each other"),
        ("  cache: /a\n  cache: /b\n", "`cache` is there twice"),
        ("  policies: []\n", "an empty list"),
    ] {
        let error = error(&[], Some(&spec(settings)));
        assert!(error.contains(expected), "{settings}: {error}");
    }
    for (text, expected) in [
        ("apiVersion: serin.dev/v1alpha1\nkind: Agent\n", "`spec` is missing"),
        ("apiVersion: v1\n", "serin.yaml:1:13: apiVersion: `v1` is not known: write `serin.dev/v1alpha1`"),
        ("a: b\n", "serin.yaml:1:1: unknown key `a`: write one of apiVersion, kind, spec"),
    ] {
        let error = error(&[], Some(text));
        assert!(error.contains(expected), "{text}: {error}");
    }
    let error = error(&[("SERIN_METRICS", "nowhere")], None);
    assert!(error.starts_with("SERIN_METRICS: `nowhere` is no endpoint"), "{error}");
}
