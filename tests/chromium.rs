//! The report as a browser shows it. Skipped, with a word, where there is no Chromium.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

use crate::{
    report::hostile,
    support::{Scratch, fixture, on, on_bytes, skip},
};

/// What the browser made of a page.
struct Seen {
    /// The page after its script ran.
    dom: String,
    /// Messages on the console.
    console: Vec<String>,
    /// What the page, rather than the browser, wanted from elsewhere.
    requests: BTreeSet<String>,
}

fn browser() -> Option<&'static str> {
    let runs =
        |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|done| done.status.success());
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(runs);
    if found.is_none() {
        skip("there is no Chromium");
    }
    found
}

fn open(browser: &str, page: &Path, scratch: &Scratch) -> Seen {
    let log = scratch.path("net.json");
    let output = Command::new("timeout")
        .arg("60")
        .arg(browser)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-dev-shm-usage",
        ])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        // Nothing has an address, so that a request of the page goes nowhere, too.
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", scratch.path("profile").display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("the browser runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let events: Value = serde_json::from_slice(&fs::read(log).expect("a log")).expect("JSON");
    let events = events["events"].as_array().expect("events");
    let of_page = events.iter().filter_map(|event| {
        let params = &event["params"];
        // The browser's own requests have no origin.
        let is_own = params["initiator"].as_str().is_none_or(|origin| origin == "not an origin");
        params["url"].as_str().filter(|_| !is_own).map(str::to_owned)
    });
    Seen {
        dom: String::from_utf8(output.stdout).expect("UTF-8"),
        console: errors.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect(),
        requests: of_page.collect(),
    }
}

#[test]
fn a_report_is_shown_without_errors_or_requests() {
    let Some(browser) = browser() else { return };
    let scratch = Scratch::new();
    let html = on("report -q --no-times -o html", fixture("shop-podman")).status(0).stdout;
    let seen = open(browser, &scratch.put("report.html", html), &scratch);
    assert_eq!(seen.console, [] as [&str; 0]);
    assert_eq!(seen.requests, BTreeSet::new());
    // The script ran: headings are buttons, and there are fields to search.
    assert!(seen.dom.contains("<button type=\"button\">PID</button>"));
    assert!(seen.dom.contains("type=\"search\""));
    assert!(seen.dom.contains("MINER-STRINGS"));
}

#[test]
fn a_hostile_name_is_text_in_the_browser() {
    let Some(browser) = browser() else { return };
    let scratch = Scratch::new();
    let html = on_bytes("report -q --no-times -o html", hostile()).status(0).stdout;
    let seen = open(browser, &scratch.put("report.html", html), &scratch);
    assert_eq!(seen.console, [] as [&str; 0]);
    assert_eq!(seen.dom.matches("<script").count(), 1, "only ours");
    assert!(seen.dom.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

/// What the tests above would see of a page that is not as it should be.
#[test]
fn the_policy_stops_what_is_not_ours() {
    let Some(browser) = browser() else { return };
    let scratch = Scratch::new();
    let html = on("report -q --no-times -o html", fixture("scenarios/cow")).status(0).text();
    let more = "<script>document.title = 'owned'</script><img src=\"http://198.51.100.7/x.png\">";
    let page = scratch.put("bad.html", html.replace("</main>", &format!("{more}</main>")));
    let seen = open(browser, &page, &scratch);
    assert!(!seen.console.is_empty(), "the refusals are on the console");
    assert!(!seen.dom.contains("<title>owned"));
    assert_eq!(seen.requests, BTreeSet::new());
    // Without the policy both would have gone through.
    let start = html.find("<meta http-equiv").expect("the policy");
    let end = start + html[start..].find('>').expect("its end") + 1;
    let open_page = html.replace(&html[start..end], "").replace("</main>", &format!("{more}</main>"));
    let seen = open(browser, &scratch.put("open.html", open_page), &Scratch::new());
    assert!(seen.dom.contains("<title>owned"));
    assert_eq!(seen.requests.len(), 1, "{:?}", seen.requests);
}
