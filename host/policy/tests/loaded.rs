//! Files and directories of policies.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use serin_policy::{MAX_FILE_SIZE, load, parse_files, read_files};

fn policy(name: &str) -> String {
    format!(
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata:\n  name: {name}\nspec:\n  kprobes:\n  - call: sys_read\n"
    )
}

fn names(paths: &[&Path]) -> Vec<String> {
    load(paths).unwrap().iter().map(|policy| policy.plan().name.clone()).collect()
}

#[test]
fn a_directory_gives_its_own_policy_files_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    assert_eq!(names(&[path]), [""; 0]);

    fs::create_dir(path.join("enforce")).unwrap();
    fs::create_dir(path.join("odd.yaml")).unwrap();
    for (file, name) in
        [("b.yaml", "b"), ("a.yml", "a"), ("README.md", "no"), (".c.yaml", "no"), ("enforce/d.yaml", "d")]
    {
        fs::write(path.join(file), policy(name)).unwrap();
    }
    std::os::unix::fs::symlink("enforce/d.yaml", path.join("z.yaml")).unwrap();
    assert_eq!(names(&[path]), ["a", "b", "d"]);
    assert_eq!(names(&[&path.join("b.yaml"), &path.join("enforce")]), ["b", "d"]);
}

#[test]
fn errors_of_all_files_are_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("a.yaml"), policy("same")).unwrap();
    fs::write(path.join("b.yaml"), policy("same")).unwrap();
    fs::write(
        path.join("c.yaml"),
        "a: \u{fc}\n".as_bytes().iter().chain(&[0xff, b'x']).copied().collect::<Vec<_>>(),
    )
    .unwrap();
    fs::write(path.join("d.yaml"), "#".repeat(MAX_FILE_SIZE + 1)).unwrap();
    std::os::unix::fs::symlink("nowhere", path.join("e.yaml")).unwrap();
    let errors = load(&[path, Path::new("/dev/null")]).unwrap_err().to_string();
    let directory = path.display();
    let expected = format!(
        "{directory}/c.yaml:2:1: this is not UTF-8\n  |\n2 | \u{fffd}x\n  | ^\n  = help: save the file as UTF-8\n\n\
         {directory}/d.yaml: larger than {MAX_FILE_SIZE} bytes; split it into several files\n\n\
         cannot read {directory}/e.yaml: No such file or directory (os error 2)\n\n\
         /dev/null: not a regular file\n\n\
         {directory}/b.yaml:4:9: there is already a policy `same`, at {directory}/a.yaml:4\n  |\n\
         4 |   name: same\n  |         ^^^^\n  = help: give each policy its own name"
    );
    assert_eq!(errors, expected);
}

#[test]
fn a_missing_path_is_an_error() {
    let errors = load(&["/nonexistent/policies"]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "cannot read /nonexistent/policies: No such file or directory (os error 2)"
    );
}

/// What is read here and parsed elsewhere is what is loaded here.
#[test]
fn texts_are_parsed_like_their_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("a.yaml"), policy("a")).unwrap();
    fs::write(path.join("b.yaml"), policy("b")).unwrap();
    assert_eq!(parse_files(&read_files(&[path]).unwrap()).unwrap(), load(&[path]).unwrap());
    fs::write(path.join("c.yaml"), policy("a")).unwrap();
    fs::write(path.join("d.yaml"), "kind: Nothing\n").unwrap();
    let (here, there) = (load(&[path]).unwrap_err(), parse_files(&read_files(&[path]).unwrap()).unwrap_err());
    assert_eq!(here.to_string(), there.to_string());
    assert!(there.to_string().contains("there is already a policy `a`"), "{there}");
    fs::write(path.join("e.yaml"), [0xff]).unwrap();
    assert!(read_files(&[path]).unwrap_err().to_string().contains("e.yaml:1:1: this is not UTF-8"));
}
