//! Which names could be domains: a compact list of top-level domains, since nothing is asked of a network.

/// Seldom anything but the end of a domain.
const PLAIN: &[&str] = &[
    "ac", "ad", "ae", "af", "ag", "ai", "al", "am", "ao", "app", "ar", "arpa", "art", "asia", "at", "au",
    "aws", "az", "ba", "bd", "bg", "bh", "biz", "blog", "bo", "br", "bw", "by", "ca", "cat", "cd", "cf",
    "ch", "ci", "cl", "click", "cloud", "club", "cm", "cn", "co", "com", "coop", "cr", "cu", "cx", "cy",
    "cz", "de", "dk", "dz", "ec", "edu", "ee", "eg", "es", "et", "eu", "fi", "fm", "fr", "fun", "ga", "ge",
    "gg", "gh", "gov", "gq", "gr", "gt", "hk", "hn", "hr", "hu", "icu", "ie", "il", "ink", "int", "io", "iq",
    "ir", "jo", "jobs", "jp", "ke", "kg", "kh", "kr", "kw", "kz", "lb", "li", "live", "lk", "lt", "lu", "lv",
    "ly", "ma", "mc", "me", "mil", "mk", "mn", "mobi", "monster", "mt", "mu", "mx", "mz", "net", "ng", "ni",
    "nl", "nz", "om", "online", "org", "pa", "pe", "pk", "post", "press", "pro", "pt", "pub", "pw", "qa",
    "ro", "ru", "rw", "sa", "sbs", "se", "sg", "shop", "si", "site", "sk", "space", "store", "su", "sv",
    "sy", "tech", "th", "tj", "tk", "tm", "tn", "top", "tr", "travel", "tv", "tw", "tz", "ua", "ug", "uk",
    "us", "uy", "uz", "vc", "ve", "vip", "vn", "website", "wiki", "win", "ws", "xyz", "za", "zm", "zw",
    "example", "internal", "invalid", "i2p", "onion", "svc",
];
/// Also ends of file names, or words that programs join with dots: two labels are not enough.
const AMBIGUOUS: &[&str] = &[
    "as",
    "be",
    "cc",
    "dev",
    "do",
    "hm",
    "id",
    "im",
    "in",
    "info",
    "is",
    "it",
    "la",
    "link",
    "lan",
    "local",
    "md",
    "ml",
    "mm",
    "mov",
    "ms",
    "my",
    "name",
    "no",
    "nu",
    "page",
    "ph",
    "pl",
    "ps",
    "py",
    "rs",
    "run",
    "sc",
    "sh",
    "so",
    "st",
    "test",
    "to",
    "tt",
    "work",
    "world",
    "zip",
    "home",
    "corp",
    "localdomain",
];

/// Whether a name could be a domain. `certain`: what it stands in says that it is one, as in a URL.
pub fn is_domain(name: &str, certain: bool) -> bool {
    let labels: Vec<&str> = name.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let Some(last) = labels.last().map(|last| last.to_ascii_lowercase()) else { return false };
    let is_listed = |list: &[&str]| list.contains(&last.as_str());
    let has_letter = labels.first().is_some_and(|label| label.bytes().any(|byte| byte.is_ascii_alphabetic()));
    let is_puny = last.starts_with("xn--");
    labels.len() >= 2
        && name.len() <= 253
        && labels.iter().all(is_label)
        && (is_listed(PLAIN)
            || is_puny
            || (is_listed(AMBIGUOUS) && (certain || (labels.len() >= 3 && has_letter))))
        // Names in programs are written `Like.This`, or with underscores.
        && (certain || (has_letter && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_and_programs_are_no_domains() {
        for name in ["pool.minexmr.example", "db.internal", "example.com", "a.b.co", "xn--bcher-kva.example"]
        {
            assert!(is_domain(name, false), "{name}");
        }
        for name in [
            "libc.so",
            "app.py",
            "os.path",
            "self.name",
            "README.md",
            "System.Net",
            "-a.com",
            "com",
            "a..com",
            "1.2",
            "my_app.com",
        ] {
            assert!(!is_domain(name, false), "{name}");
        }
        assert!(is_domain("bit.ly", true) && is_domain("t.me", true) && is_domain("evil.sh", true));
    }
}
