//! What is found out about a file while it is read: all that is wrong with it is told at once.

use crate::source::{Source, Span};
use crate::{Diagnostic, Error, Errors, MAX_ERRORS, TargetKernel};

/// The section that the paths of shapes name.
const KPROBES: &str = "kprobes";

/// The errors found so far, and the kernel that the file is read for.
pub(crate) struct Report<'s> {
    source: &'s Source,
    kernel: TargetKernel<'s>,
    section: &'static str,
    errors: Vec<(Span, Diagnostic)>,
    /// Errors beyond [`MAX_ERRORS`].
    more: usize,
    /// What could not be told about the document that is being read.
    untold: Vec<Diagnostic>,
}

impl<'s> Report<'s> {
    pub(crate) fn new(source: &'s Source, kernel: TargetKernel<'s>) -> Self {
        Report { source, kernel, section: KPROBES, errors: vec![], more: 0, untold: vec![] }
    }

    /// The kernel that the file is read for.
    pub(crate) fn kernel(&self) -> TargetKernel<'s> {
        self.kernel
    }

    /// Adds a note that something about the kernel was guessed, with how to have it told.
    pub(crate) fn untold(&mut self, span: Span, message: String, help: &str) {
        self.untold.push(Diagnostic::new(self.source, span, message, Some(help.into())));
    }

    /// The notes since this was last called.
    pub(crate) fn take_untold(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.untold)
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
