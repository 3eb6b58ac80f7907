//! Secrets taken out of what goes into reports: passwords in command lines, variables that are named like secrets,
//! tokens and keys in any text.
//!
//! It errs on the side of hiding: a report leaves the house. What is hidden is still in the evidence, and `secrets`
//! finds it with its place.

use std::{collections::BTreeSet, sync::OnceLock};

use aho_corasick::{AhoCorasick, MatchKind};
use regex_automata::{
    meta::Regex,
    util::{captures::Captures, syntax},
};

use crate::{
    Text,
    finding::{Facts, Finding},
    timeline::Event,
};

/// Fewest bytes of a secret that is known again: one of letters and digits, and one that may be a word.
const SHORT: usize = 6;
const LONG: usize = 12;
/// Most secrets that are known again.
const MOST_KNOWN: usize = 4096;

/// What stands for a secret.
const MARK: &[u8] = b"[redacted]";

/// Parts of names of variables, options and fields that hold a secret, in text.
const NAMES: &str = "passwd|password|passphrase|pwd|secret|token|credential|connection[_-]?string\
     |(?:api|access|private|signing|encryption|account|auth|session)[_-]?key";

/// The same, of a name by itself: in lower case and without what joins words.
const PARTS: [&[u8]; 16] = [
    b"passwd",
    b"password",
    b"passphrase",
    b"pwd",
    b"secret",
    b"token",
    b"credential",
    b"connectionstring",
    b"apikey",
    b"accesskey",
    b"privatekey",
    b"signingkey",
    b"encryptionkey",
    b"accountkey",
    b"authkey",
    b"sessionkey",
];

/// Names that hold one only as a whole.
const WHOLE_NAMES: [&[u8]; 6] = [b"key", b"dsn", b"pass", b"pw", b"auth", b"cookie"];

/// Names that only look so: paths, sizes and settings.
const HARMLESS_ENDINGS: [&[u8]; 9] =
    [b"file", b"path", b"_dir", b"_ttl", b"expiry", b"length", b"_type", b"_name", b"oldpwd"];

/// Expressions with one group each, which is the secret.
fn rules() -> &'static [Regex] {
    static RULES: OnceLock<Vec<Regex>> = OnceLock::new();
    RULES.get_or_init(|| {
        let patterns = [
            // A key in PEM, also one that is cut.
            r"(?s-u)-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----(.*?)(?:-----END|\z)".to_owned(),
            // A JSON Web Token.
            r"(?-u)\b(ey[A-Za-z0-9_-]{10,}\.ey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*)".to_owned(),
            // Tokens with a prefix of their own.
            r"(?-u)\b((?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{20,}|sk_live_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{30,}|hvs\.[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{30,}|dckr_pat_[A-Za-z0-9_-]{20,}|AGE-SECRET-KEY-1[A-Z0-9]{20,})"
                .to_owned(),
            // The password of a URL.
            r"(?-u)[A-Za-z][A-Za-z0-9+.-]{1,30}://[^\s/:@'\x22]{0,256}:([^\s/@'\x22]{1,512})@".to_owned(),
            // HTTP.
            r"(?i-u)\bauthorization\s{0,4}[:=]\s{0,4}(?:basic|bearer|token|digest)?\s{0,4}([^\s'\x22]{4,})".to_owned(),
            r"(?i-u)\bbearer\s{1,4}([A-Za-z0-9._~+/=-]{8,})".to_owned(),
            r"(?i-u)\b(?:set-)?cookie:[ \t]{0,4}([^\r\n\x00]{4,})".to_owned(),
            // name=value, name: value, and the same quoted.
            format!(
                r"(?i-u)(?:{NAMES})[A-Za-z0-9_-]{{0,24}}[\x22']?\s{{0,2}}[=:]\s{{0,2}}[\x22']?([^\s\x22'&;,\x00]{{3,}})"
            ),
            // --password value, as a line of a shell.
            format!(r"(?i-u)--?[a-z0-9-]{{0,24}}(?:{NAMES})(?:\x00|\s{{1,4}})[\x22']?([^\s\x22'\x00-]+[^\s\x22'\x00]*)"),
            // Clients that take a password next to a short option.
            r"(?-u)\b(?:mysql|mysqldump|mariadb|mysqladmin)\b[^\n\x00]{0,256}?\s-p([^\s-][^\s]*)".to_owned(),
            r"(?-u)\bsshpass\s+-p\s?([^\s]+)".to_owned(),
            r"(?-u)\bcurl\b[^\n\x00]{0,256}?\s(?:-u|--user)\s{0,2}[^\s:]{1,128}:([^\s]+)".to_owned(),
        ];
        // The patterns are ours: each compiles, which a test shows.
        let mut builder = Regex::builder();
        // The evidence need not be UTF-8.
        builder.syntax(syntax::Config::new().utf8(false)).configure(Regex::config().utf8_empty(false));
        patterns.iter().filter_map(|pattern| builder.build(pattern).ok()).collect()
    })
}

/// Ranges of secrets in a text, in order and apart.
fn secrets(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for rule in rules() {
        let mut captures: Captures = rule.create_captures();
        let mut at = 0;
        while at <= bytes.len() {
            rule.search_captures(&regex_automata::Input::new(bytes).span(at..bytes.len()), &mut captures);
            let (Some(whole), Some(secret)) = (captures.get_match(), captures.get_group(1)) else { break };
            if !secret.is_empty() {
                found.push(secret.start..secret.end);
            }
            at = whole.end().max(at + 1);
        }
    }
    found.sort_by_key(|range| (range.start, range.end));
    let mut apart: Vec<std::ops::Range<usize>> = Vec::new();
    for range in found {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

/// Takes secrets out, and counts them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redactor {
    /// How many were taken out.
    pub count: u64,
    /// Those of command lines and environments: they are taken out wherever else they stand.
    known: BTreeSet<Vec<u8>>,
}

impl Redactor {
    /// The text without the secrets in it.
    pub fn text(&mut self, text: &mut Text) {
        self.strip(text, false);
    }

    /// The same; secrets that are `worth_knowing` are known again.
    fn strip(&mut self, text: &mut Text, worth_knowing: bool) {
        let ranges = secrets(&text.0);
        if ranges.is_empty() {
            return;
        }
        let mut out = Vec::with_capacity(text.0.len());
        let mut at = 0;
        for range in ranges {
            // What another rule or an earlier step has put there is no secret.
            let is_done = text.0.get(range.clone()).is_some_and(|secret| secret.starts_with(MARK));
            if worth_knowing {
                self.learn(text.0.get(range.clone()).unwrap_or_default());
            }
            out.extend_from_slice(text.0.get(at..range.start).unwrap_or_default());
            out.extend_from_slice(MARK);
            self.count += u64::from(!is_done);
            at = range.end;
        }
        out.extend_from_slice(text.0.get(at..).unwrap_or_default());
        text.0 = out;
    }

    /// The same, with a `*` for each byte: offsets of the rest stay.
    pub fn payload(&mut self, bytes: &mut [u8]) {
        for range in secrets(bytes) {
            if let Some(secret) = bytes.get_mut(range) {
                secret.fill(b'*');
                self.count += 1;
            }
        }
    }

    /// The arguments of a command.
    pub fn arguments(&mut self, arguments: &mut [Text]) {
        let mut next_is_secret = false;
        let is_client = arguments.first().is_some_and(|first| takes_short_password(&first.0));
        for argument in arguments.iter_mut() {
            let is_option = argument.0.first() == Some(&b'-');
            if next_is_secret && !is_option && !argument.0.is_empty() {
                self.count += 1;
                self.learn(&argument.0);
                argument.0 = MARK.to_vec();
                next_is_secret = false;
                continue;
            }
            next_is_secret = is_option && !argument.0.contains(&b'=') && is_secret_name(&argument.0);
            if is_client && argument.0.len() > 2 && argument.0.starts_with(b"-p") {
                self.count += 1;
                self.learn(argument.0.get(2..).unwrap_or_default());
                argument.0 = [b"-p".as_slice(), MARK].concat();
                continue;
            }
            self.strip(argument, true);
        }
    }

    /// Keeps a secret to know it again, unless it may as well be an ordinary word.
    fn learn(&mut self, secret: &[u8]) {
        let has = |is_so: fn(&u8) -> bool| secret.iter().any(is_so);
        let is_word = !has(u8::is_ascii_digit) || !has(u8::is_ascii_alphabetic);
        let least = if is_word { LONG } else { SHORT };
        if secret.len() >= least && !secret.starts_with(MARK) && self.known.len() < MOST_KNOWN {
            self.known.insert(secret.to_vec());
        }
    }

    /// A text of a finding or an event: what looks like a secret, and what is known to be one.
    fn told(&mut self, text: &mut Text, known: Option<&AhoCorasick>) {
        self.text(text);
        let Some(known) = known.filter(|known| known.is_match(&text.0)) else { return };
        self.count += known.find_iter(&text.0).count() as u64;
        let marks = vec![MARK; self.known.len()];
        text.0 = known.replace_all_bytes(&text.0, &marks);
    }

    /// What is known, ready to be searched for.
    fn known(&self) -> Option<AhoCorasick> {
        let is_some = !self.known.is_empty();
        is_some
            .then(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&self.known).ok())
            .flatten()
    }

    /// An entry of an environment.
    pub fn variable(&mut self, entry: &mut Text) {
        let Some(equals) = entry.0.iter().position(|byte| *byte == b'=') else { return self.text(entry) };
        let name = entry.0.get(..equals).unwrap_or_default();
        let has_value = equals + 1 < entry.0.len();
        if has_value && is_secret_name(name) {
            self.count += 1;
            self.learn(entry.0.get(equals + 1..).unwrap_or_default());
            entry.0 = [name, b"=", MARK].concat();
        } else {
            let name = entry.0.get(..=equals).unwrap_or_default().to_vec();
            let mut value = Text(entry.0.split_off(equals + 1));
            self.text(&mut value);
            entry.0 = [name, value.0].concat();
        }
    }

    /// Everything that a report shows of the facts.
    pub fn facts(&mut self, facts: &mut Facts<'_>) {
        for process in &mut facts.processes {
            self.arguments(process.cmdline.as_deref_mut().unwrap_or_default());
            for entry in process.environ.iter_mut().flatten() {
                self.variable(entry);
            }
        }
        for queue in &mut facts.queues {
            let mut text = Text::from(queue.text.as_str());
            self.payload(&mut queue.bytes_b64.0);
            // Both are the same bytes: they count once.
            Self::default().text(&mut text);
            queue.text = text.escaped().into_owned();
        }
        for mount in &mut facts.mounts {
            for text in [&mut mount.options, &mut mount.source].into_iter().flatten() {
                self.text(text);
            }
        }
    }

    /// Findings.
    pub fn findings(&mut self, findings: &mut [Finding]) {
        let known = self.known();
        for finding in findings {
            for fact in &mut finding.evidence {
                self.told(&mut fact.value, known.as_ref());
            }
            let mut why = Text::from(finding.why.as_str());
            self.told(&mut why, known.as_ref());
            finding.why = why.escaped().into_owned();
        }
    }

    /// Dated facts.
    pub fn events(&mut self, events: &mut [Event]) {
        let known = self.known();
        for event in events {
            self.told(&mut event.message, known.as_ref());
        }
    }
}

fn is_secret_name(name: &[u8]) -> bool {
    let name: Vec<u8> = name.iter().skip_while(|byte| **byte == b'-').map(u8::to_ascii_lowercase).collect();
    if name == b"pwd" || HARMLESS_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return false;
    }
    let last = name.rsplit(|byte| matches!(byte, b'_' | b'-' | b'.')).next().unwrap_or_default();
    let joined: Vec<u8> = name.iter().copied().filter(|byte| !matches!(byte, b'_' | b'-' | b'.')).collect();
    WHOLE_NAMES.contains(&last)
        || PARTS.iter().any(|part| joined.windows(part.len()).any(|window| window == *part))
}

fn takes_short_password(program: &[u8]) -> bool {
    const CLIENTS: [&[u8]; 6] = [b"mysql", b"mysqldump", b"mariadb", b"mysqladmin", b"sshpass", b"mongo"];
    CLIENTS.contains(&program.rsplit(|byte| *byte == b'/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        let mut text = Text::from(text);
        Redactor::default().text(&mut text);
        text.escaped().into_owned()
    }

    fn arguments(line: &[&str]) -> String {
        let mut arguments: Vec<Text> = line.iter().map(|argument| Text::from(*argument)).collect();
        Redactor::default().arguments(&mut arguments);
        arguments.iter().map(|argument| argument.escaped().into_owned()).collect::<Vec<_>>().join(" ")
    }

    fn variable(entry: &str) -> String {
        let mut entry = Text::from(entry);
        Redactor::default().variable(&mut entry);
        entry.escaped().into_owned()
    }

    #[test]
    fn every_rule_compiles_and_has_its_group() {
        assert_eq!(rules().len(), 12);
        assert!(rules().iter().all(|rule| rule.captures_len() == 2));
    }

    #[test]
    fn secrets_in_text_are_hidden_and_nothing_else() {
        for (from, to) in [
            ("postgres://shop:s3cr3t@db:5432/shop", "postgres://shop:[redacted]@db:5432/shop"),
            ("see https://example.org/a:b", "see https://example.org/a:b"),
            ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer [redacted]"),
            ("POST /login user=bob&password=hunter2&x=1", "POST /login user=bob&password=[redacted]&x=1"),
            ("{\"api_key\": \"0123456789\"}", "{\"api_key\": \"[redacted]\"}"),
            ("mysql -u root -phunter2 shop", "mysql -u root -p[redacted] shop"),
            ("curl -u bob:hunter2 http://x/", "curl -u bob:[redacted] http://x/"),
            ("AKIAIOSFODNN7EXAMPLE", "[redacted]"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
                "-----BEGIN RSA PRIVATE KEY-----[redacted]-----END RSA PRIVATE KEY-----",
            ),
            ("token eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.abc_def", "token [redacted]"),
            ("the password is not here", "the password is not here"),
            ("id; cat /etc/passwd", "id; cat /etc/passwd"),
        ] {
            assert_eq!(text(from), to);
            assert_eq!(text(&text(from)), to, "twice is once");
        }
    }

    #[test]
    fn arguments_and_variables_are_judged_by_name() {
        assert_eq!(arguments(&["app", "--db-password", "hunter2", "-v"]), "app --db-password [redacted] -v");
        assert_eq!(arguments(&["app", "--token=abc123"]), "app --token=[redacted]");
        assert_eq!(
            arguments(&["/usr/bin/mysql", "-psecret", "-P3306"]),
            "/usr/bin/mysql -p[redacted] -P3306"
        );
        assert_eq!(arguments(&["nc", "-l", "-p", "4444"]), "nc -l -p 4444");
        assert_eq!(arguments(&["app", "--password-file", "/run/x"]), "app --password-file /run/x");
        assert_eq!(variable("AWS_SECRET_ACCESS_KEY=x"), "AWS_SECRET_ACCESS_KEY=[redacted]");
        assert_eq!(variable("SENTRY_DSN=x"), "SENTRY_DSN=[redacted]");
        for harmless in ["PATH=/bin", "PWD=/", "OLDPWD=/", "TOKEN_FILE=/run/t", "KEYMAP=us", "TOKEN="] {
            assert_eq!(variable(harmless), harmless);
        }
        assert_eq!(variable("URL=http://a:b@c/"), "URL=http://a:[redacted]@c/");
    }

    #[test]
    fn a_payload_keeps_its_length() {
        let mut bytes = *b"GET /?password=hunter2 x\xff";
        let mut redactor = Redactor::default();
        redactor.payload(&mut bytes);
        assert_eq!(&bytes, b"GET /?password=******* x\xff");
        assert_eq!(redactor.count, 1);
    }
}
