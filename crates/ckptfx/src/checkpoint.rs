//! What is known of one checkpoint.

use std::cell::RefCell;

use ckptfx_analysis::{
    Case, Task,
    examination::{Examination, Wish},
    files::file,
    memory::mapping,
    network::socket,
};
use ckptfx_parser::{
    archive::{Archive, Member},
    container::Container,
    input::{self, OpenOptions, open_nested},
};
use ckptfx_report::{
    Head,
    listing::{self, Ask, Listing},
};
use serde_json::Value;

use crate::{Diagnostic, Error, Finding, Found, Mapping, OpenFile, Pattern, Process, Result, Socket, search};

/// One checkpoint, read and joined.
#[derive(Debug)]
pub struct Checkpoint<'e> {
    evidence: &'e input::Evidence,
    read: &'e ckptfx_parser::Checkpoint,
    nested: Nested<'e>,
    /// Calls add what they could not read.
    case: RefCell<Case<'e>>,
}

/// How tars inside the archive are opened.
#[derive(Clone, Copy)]
pub(crate) struct Nested<'e>(&'e OpenOptions<'static>);

impl Nested<'_> {
    pub(crate) fn open(self, member: &Member, diagnostics: &mut Vec<Diagnostic>) -> Option<Archive> {
        open_nested(member, self.0, diagnostics)
    }
}

impl std::fmt::Debug for Nested<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Nested")
    }
}

const ALL: fn(&Task<'_>) -> bool = |_| true;

impl<'e> Checkpoint<'e> {
    pub(crate) fn new(
        evidence: &'e input::Evidence,
        read: &'e ckptfx_parser::Checkpoint,
        nested: &'e OpenOptions<'static>,
    ) -> Self {
        Self { evidence, read, nested: Nested(nested), case: RefCell::new(Case::read(read)) }
    }

    /// What the engine says of the container.
    pub const fn container(&self) -> &'e Container {
        &self.read.container
    }

    /// Its processes, in the order of the process tree.
    pub fn processes(&self) -> Vec<Process> {
        self.case.borrow().tasks.iter().map(|task| task.process.clone()).collect()
    }

    /// Their files, with what each is used for.
    pub fn files(&self) -> Vec<OpenFile> {
        file::files(&mut self.case.borrow_mut(), &ALL)
    }

    /// Sockets with who holds them.
    ///
    /// ```
    /// use ckptfx_testkit::{Container, PodmanVersion};
    ///
    /// let evidence = ckptfx::read(Container::sample().podman(PodmanVersion::V5).to_tar())?;
    /// let listening: Vec<_> = evidence
    ///     .checkpoints()
    ///     .flat_map(|checkpoint| checkpoint.sockets())
    ///     .filter(|socket| socket.state == Some("LISTEN"))
    ///     .filter_map(|socket| socket.local?.port)
    ///     .collect();
    /// assert_eq!(listening, [8080]);
    /// # Ok::<(), ckptfx::Error>(())
    /// ```
    pub fn sockets(&self) -> Vec<Socket> {
        socket::sockets(&mut self.case.borrow_mut(), &ALL)
    }

    /// Mappings with what is odd about them.
    pub fn maps(&self) -> Vec<Mapping> {
        mapping::mappings(&mut self.case.borrow_mut(), &ALL)
    }

    /// What speaks for an intrusion, the worst first; secrets are masked.
    ///
    /// # Errors
    /// When scattered pages cannot be put together in temporary storage.
    pub fn findings(&self) -> Result<Vec<Finding>> {
        Ok(self.examine(&Wish::default())?.findings)
    }

    /// The same with rules of your own, with the facts that findings rest on, and with what was not looked at.
    ///
    /// # Errors
    /// When scattered pages cannot be put together in temporary storage.
    pub fn examine(&self, wish: &Wish<'_>) -> Result<Examination<'e>> {
        let open = |member: &Member, diagnostics: &mut Vec<Diagnostic>| self.nested.open(member, diagnostics);
        Examination::of(&mut self.case.borrow_mut(), &open, wish).map_err(Error::Storage)
    }

    /// Finds a pattern in the memory of processes, shared and not.
    ///
    /// ```
    /// use ckptfx::Pattern;
    /// use ckptfx_testkit::{Container, PodmanVersion};
    ///
    /// let evidence = ckptfx::read(Container::sample().podman(PodmanVersion::V5).to_tar())?;
    /// let checkpoint = evidence.checkpoints().next().expect("one checkpoint");
    /// let hits = checkpoint.search(Pattern::regex("w[a-z]+ memory"))?.hits;
    /// assert_eq!(hits[0].pid, Some(7));
    /// assert_eq!(hits[0].address, Some(0x7f00_0002_0000));
    /// assert_eq!(hits[0].bytes, b"worker memory");
    /// # Ok::<(), ckptfx::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the pattern is not understood, or scattered pages cannot be put together in temporary storage.
    pub fn search(&self, pattern: impl Into<Pattern>) -> Result<Found> {
        search::find(&mut self.case.borrow_mut(), self.nested, pattern.into())
    }

    /// Records as `ckptfx COMMAND -o json` has them: `ps`, `threads`, `sockets`, `mounts`, …
    ///
    /// ```
    /// use ckptfx_testkit::{Container, PodmanVersion};
    ///
    /// let evidence = ckptfx::read(Container::sample().podman(PodmanVersion::V5).to_tar())?;
    /// let checkpoint = evidence.checkpoints().next().expect("one checkpoint");
    /// assert_eq!(checkpoint.records("sockets")?[0]["local"]["port"], 8080);
    /// # Ok::<(), ckptfx::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there are none of that name, or temporary storage is needed and cannot be used.
    pub fn records(&self, command: &str) -> Result<Vec<Value>> {
        let listing = listing::of(command).ok_or_else(|| Error::NoSuchRecords(command.to_owned()))?;
        let mut all = Vec::new();
        self.ask(|case, ask| {
            listing.each(case, ask, &mut |record| {
                all.push(record);
                Ok(())
            })
        })?;
        Ok(all)
    }

    /// The same as values, of a listing in [`report::listing`](crate::report::listing).
    ///
    /// # Errors
    /// When temporary storage is needed and cannot be used.
    pub fn list<R>(&self, listing: &Listing<R>) -> Result<Vec<R>> {
        let mut all = Vec::new();
        self.ask(|case, ask| {
            (listing.records)(case, ask, &mut |record| {
                all.push(record);
                Ok(())
            })
        })?;
        Ok(all)
    }

    fn ask(&self, question: impl FnOnce(&mut Case<'_>, &Ask<'_>) -> std::io::Result<()>) -> Result<()> {
        let open = |member: &Member, diagnostics: &mut Vec<Diagnostic>| self.nested.open(member, diagnostics);
        let ask = Ask { wanted: &ALL, open: &open };
        question(&mut self.case.borrow_mut(), &ask).map_err(Error::Storage)
    }

    /// What was noticed so far: while opening, and in each call.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        self.evidence.diagnostics.iter().chain(&self.case.borrow().diagnostics).cloned().collect()
    }

    /// What begins a document about it, for [`export`](crate::export).
    pub fn head(&self, command: &str) -> Head {
        Head::new(command, self.evidence, self.read, None)
    }

    /// The checkpoint as the parser gives it.
    pub const fn parsed(&self) -> &'e ckptfx_parser::Checkpoint {
        self.read
    }
}
