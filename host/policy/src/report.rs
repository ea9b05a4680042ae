//! Collects what is wrong with a file, so that all of it is told at once.

use crate::source::{Source, Span};
use crate::{Diagnostic, Error, Errors, MAX_ERRORS};

/// The section that the paths of shapes name.
const KPROBES: &str = "kprobes";

/// The errors found so far.
pub(crate) struct Report<'s> {
    source: &'s Source,
    section: &'static str,
    errors: Vec<(Span, Diagnostic)>,
    /// Errors beyond [`MAX_ERRORS`].
    more: usize,
}

impl<'s> Report<'s> {
    pub(crate) fn new(source: &'s Source) -> Self {
        Report { source, section: KPROBES, errors: vec![], more: 0 }
    }

    /// What follows is about a hook in this section of `spec`.
    ///
    /// Hooks of all sections are alike, and so are their shapes, whose paths are those of `spec.kprobes`.
    pub(crate) fn enter(&mut self, section: &'static str) {
        self.section = section;
    }

    /// Adds an error.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.add(span, message.into(), None);
    }

    /// Adds an error, with what to write instead.
    pub(crate) fn error_with_help(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(span, message.into(), Some(help.into()));
    }

    fn add(&mut self, span: Span, message: String, help: Option<String>) {
        if self.errors.len() == MAX_ERRORS {
            self.more += 1;
            return;
        }
        let message = match self.section {
            KPROBES => message,
            section => message.replace("`spec.kprobes", &format!("`spec.{section}")),
        };
        self.errors.push((span, Diagnostic::new(self.source, span, message, help)));
    }

    /// The errors in the order of lines, if there are any.
    pub(crate) fn finish(mut self) -> Result<(), Errors> {
        if self.errors.is_empty() {
            return Ok(());
        }
        self.errors.sort_by_key(|&(span, _)| span);
        let mut errors: Vec<Error> =
            self.errors.into_iter().map(|(_, diagnostic)| diagnostic.into()).collect();
        if self.more > 0 {
            errors.push(Error::More { path: self.source.path().into(), count: self.more });
        }
        Err(Errors(errors))
    }
}
