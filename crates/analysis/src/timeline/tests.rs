use ckptfx_testkit::{Checkpoint, File, Ghost, Process, Vma};

use super::*;
use crate::{Task, Text, tests::with_case};

fn all(dump: Checkpoint) -> Vec<Event> {
    with_case(dump, |case| {
        events(case, &Wish { sources: &[], kinds: &Kind::ALL, wanted: &|_| true, filtered: false }).unwrap()
    })
}

#[test]
fn each_source_gives_its_events_in_order() {
    let heap = Vma::heap(0x5555_0000_0000, 0x1000).bytes(0, "#1717243100\nwhoami\n");
    let dump = Checkpoint::new().process(
        Process::new(1)
            .comm("bash")
            .memory(heap)
            .fd(5, File::regular("/tmp/gone").deleted(Ghost::new("bytes"))),
    );
    let list = all(dump);
    assert!(list.is_sorted_by_key(|event| event.time));
    let of = |kind| list.iter().find(|event: &&Event| event.kind == kind).unwrap();
    assert_eq!(of(Kind::ContainerCreated).time.to_string(), "2024-06-01T11:59:00.123456789Z");
    assert_eq!(of(Kind::ContainerCreated).reliability, Reliability::Recorded);
    assert_eq!(of(Kind::LogEntry).message, Text::from("stdout: started"));
    let typed = of(Kind::CommandTyped);
    assert_eq!((typed.message.clone(), typed.subject.pid), (Text::from("whoami"), Some(1)));
    assert_eq!(typed.time.as_second(), 1_717_243_100);
    assert_eq!(typed.reliability, Reliability::Claimed);
    assert_eq!(of(Kind::GhostModified).subject.path, Some("/tmp/gone".into()));
    assert_eq!(of(Kind::GhostAccessed).subject.size, Some(5));
    for kind in [Kind::FirstImageWritten, Kind::LastImageWritten] {
        assert_eq!(of(kind).time.as_second(), i64::try_from(ckptfx_testkit::TIME).unwrap());
    }
}

#[test]
fn tokens_and_certificates_are_dated_once_each() {
    // {"alg":"HS256"} and {"sub":"somebody","iat":1717243000,"exp":1717246600}
    let token =
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSIsImlhdCI6MTcxNzI0MzAwMCwiZXhwIjoxNzE3MjQ2NjAwfQ.c2ln";
    let text = format!("{token}\0{token}\0{0}\0{0}", crate::secret::certificate::tests::PEM);
    let heap = |pid| Vma::heap(0x5555_0000_0000, 0x1000).bytes(0, format!("{text}{pid}"));
    let process = |pid| Process::new(pid).memory(heap(pid));
    let dump = || Checkpoint::new().process(process(1).child(process(2)));
    let told: Vec<_> = all(dump())
        .into_iter()
        .filter(|event| Kind::CREDENTIALS.contains(&event.kind))
        .map(|event| (event.time.to_string(), event.kind, event.subject.pid))
        .collect();
    let is = |time: &str, kind| (time.to_owned(), kind, Some(1));
    assert_eq!(
        told,
        [
            is("2024-06-01T11:56:40Z", Kind::TokenIssued),
            is("2024-06-01T12:56:40Z", Kind::TokenExpires),
            is("2026-11-24T04:45:12Z", Kind::CertificateValid),
            is("2027-11-24T04:45:12Z", Kind::CertificateExpires),
        ]
    );
    // Who asks for one process is told where it has them.
    with_case(dump(), |case| {
        let wanted = |task: &Task<'_>| task.process.pid == 2;
        let wish = Wish { sources: &[], kinds: &Kind::CREDENTIALS, wanted: &wanted, filtered: true };
        let list = events(case, &wish).unwrap();
        assert_eq!(list.len(), 4);
        assert!(list.iter().all(|event| event.subject.pid == Some(2)));
        let text =
            Text::from("certificate of O=Example, CN=shop.example by O=Example, CN=shop.example expires");
        assert_eq!(list[3].message, text);
        assert_eq!(list[3].source, Text::from("memory of process 2"));
        let token = list[0].message.escaped().into_owned();
        assert!(token.starts_with("JSON Web Token of somebody was issued (fingerprint "), "{token}");
    });
}

#[test]
fn a_filter_leaves_out_what_is_of_no_process() {
    let dump = Checkpoint::new().process(Process::new(1));
    let list = with_case(dump, |case| {
        events(case, &Wish { sources: &[], kinds: &Kind::ALL, wanted: &|_| true, filtered: true }).unwrap()
    });
    assert_eq!(list, []);
}

#[test]
fn times_after_the_checkpoint_are_noted() {
    let heap = Vma::heap(0x5555_0000_0000, 0x1000).bytes(0, "#1999999999\nwhoami\n");
    with_case(Checkpoint::new().process(Process::new(1).memory(heap)), |case| {
        let wish = Wish { sources: &[], kinds: &Kind::ALL, wanted: &|_| true, filtered: false };
        events(case, &wish).unwrap();
        assert!(case.diagnostics.iter().any(|one| one.code == "time-after-checkpoint"));
    });
}
