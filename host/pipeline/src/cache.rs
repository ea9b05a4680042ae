//! Compiled components, kept from one start to the next.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A folder of compiled components, named after the component's digest and the engine's settings.
///
/// What is in it runs as machine code in the agent: so the folder belongs to
/// the agent's user and nobody else can even look into it.
#[derive(Debug)]
pub struct Cache {
    folder: OwnedFd,
    path: PathBuf,
}

/// Why a folder can't hold compiled components.
#[derive(Debug, thiserror::Error)]
#[error("the cache of compiled plugins, {}: {why}", .folder.display())]
pub struct CacheError {
    /// The folder.
    pub folder: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl Cache {
    /// Uses a folder; creates it if it is missing.
    ///
    /// # Errors
    /// If it is not a folder of this user that is closed to everybody else (mode 0700).
    pub fn open(path: &Path) -> Result<Self, CacheError> {
        let error = |why: String| CacheError { folder: path.to_owned(), why };
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error(format!("cannot be created: {source}")));
            }
            _ => {}
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let folder = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|source| error(format!("cannot be opened as a folder: {source}")))?;
        let status = rustix::fs::fstat(&folder).map_err(|source| error(source.to_string()))?;
        let user = rustix::process::geteuid().as_raw();
        if status.st_uid != user || status.st_mode & 0o077 != 0 {
            let (owner, mode) = (status.st_uid, status.st_mode & 0o7777);
            return Err(error(format!(
                "belongs to user {owner} and has mode {mode:o}; it must belong to user {user} and have mode 700"
            )));
        }
        Ok(Self { folder, path: path.to_owned() })
    }

    /// The compiled component: from the cache if it is there, else compiled and put there.
    pub(crate) fn component(&self, engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
        let name = file_name(engine, bytes);
        let shown = self.path.join(&name);
        if let Some(code) = self.read(&name) {
            // SAFETY: deserialising trusts the bytes to be what Component::serialize gave. Only this user
            // can have written them: they come from a regular file of this user that nobody else may
            // write, in a folder of this user with mode 0700; folder and file were opened without following
            // links and checked while open, and `store` alone puts files there, each by an atomic rename
            // of a complete one. The name carries the digest of the component and the engine's settings;
            // wasmtime checks its own version and settings again.
            #[allow(unsafe_code, reason = "argued above")]
            let component = unsafe { Component::deserialize(engine, code) };
            match component {
                Ok(component) => return Ok(component),
                Err(error) => tracing::warn!("{} is compiled anew: {error:#}", shown.display()),
            }
        }
        let component = Component::new(engine, bytes)?;
        if let Err(error) = self.store(&name, &component) {
            tracing::warn!("the compiled plugin is not kept as {}: {error:#}", shown.display());
        }
        Ok(component)
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.folder, name, flags, Mode::empty()).ok()?;
        let status = rustix::fs::fstat(&file).ok()?;
        let own = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile
            && status.st_uid == rustix::process::geteuid().as_raw()
            && status.st_mode & 0o022 == 0;
        let mut code = Vec::new();
        (own && File::from(file).read_to_end(&mut code).is_ok()).then_some(code)
    }

    fn store(&self, name: &str, component: &Component) -> wasmtime::Result<()> {
        let partial = format!("partial-{}", std::process::id());
        match rustix::fs::unlinkat(&self.folder, &partial, AtFlags::empty()) {
            Err(error) if error != rustix::io::Errno::NOENT => return Err(error.into()),
            _ => {}
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mut file =
            File::from(rustix::fs::openat(&self.folder, &partial, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(&component.serialize()?)?;
        file.sync_all()?;
        rustix::fs::renameat(&self.folder, &partial, &self.folder, name)?;
        Ok(())
    }
}

/// Digest of the component and of all the engine's settings that code depends on.
fn file_name(engine: &Engine, bytes: &[u8]) -> String {
    struct Settings(Sha256);

    impl Hasher for Settings {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        fn finish(&self) -> u64 {
            0 // The digest is taken instead.
        }
    }

    let mut settings = Settings(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut settings);
    format!("{:x}-{:x}.cwasm", Sha256::digest(bytes), settings.0.finalize())
}
