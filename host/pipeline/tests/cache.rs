//! The cache of compiled plugins.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use serin_pipeline::{Cache, Pipeline};
use support::{Setup, event, plugin};

fn works(setup: &Setup, cache: &Cache) {
    let file = setup.file(&format!("- name: containers\n  component: {}", plugin("container-enrich")));
    let mut pipeline = Pipeline::load(&file, Some(cache)).unwrap();
    let mut events = vec![event(serin_event::EventKind::Exec)];
    pipeline.process(&mut events);
    assert_eq!(events[0].annotations.len(), 2);
}

fn entries(setup: &Setup) -> Vec<PathBuf> {
    std::fs::read_dir(setup.path("cache")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn compiles_once_and_recovers_from_damage() {
    let setup = Setup::new();
    let cache = Cache::open(&setup.path("cache")).unwrap();
    works(&setup, &cache);
    let [code]: [PathBuf; 1] = entries(&setup).try_into().unwrap();
    let written = std::fs::metadata(&code).unwrap().modified().unwrap();
    works(&setup, &cache);
    assert_eq!(std::fs::metadata(&code).unwrap().modified().unwrap(), written);

    // A file that is damaged, that others may write, or that is a link elsewhere is compiled anew.
    std::fs::write(&code, b"damaged").unwrap();
    works(&setup, &cache);
    assert!(std::fs::metadata(&code).unwrap().len() > 1000);

    std::fs::set_permissions(&code, Permissions::from_mode(0o666)).unwrap();
    works(&setup, &cache);
    assert_eq!(std::fs::metadata(&code).unwrap().permissions().mode() & 0o777, 0o600);

    std::fs::rename(&code, setup.path("elsewhere")).unwrap();
    symlink(setup.path("elsewhere"), &code).unwrap();
    works(&setup, &cache);
    assert!(code.symlink_metadata().unwrap().is_file());
}

#[test]
fn folders_that_others_can_reach_are_refused() {
    let setup = Setup::new().with("file", b"");
    std::fs::create_dir(setup.path("open")).unwrap();
    std::fs::set_permissions(setup.path("open"), Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(setup.path("closed")).unwrap();
    std::fs::set_permissions(setup.path("closed"), Permissions::from_mode(0o700)).unwrap();
    symlink(setup.path("closed"), setup.path("link")).unwrap();
    for (folder, message) in [
        ("open", "it must belong to user"),
        ("link", "cannot be opened as a folder"),
        ("file", "cannot be opened as a folder"),
        ("no/such/folder", "cannot be created"),
    ] {
        let error = Cache::open(&setup.path(folder)).unwrap_err().to_string();
        assert!(error.contains(message), "{folder}: {error}");
    }
    Cache::open(&setup.path("closed")).unwrap();
}
