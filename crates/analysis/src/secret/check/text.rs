//! Passwords and credentials in text: telling values from placeholders.

use base64::Engine as _;

use super::{Candidate, Context, Verdict, key::LENIENT};

/// Values that stand for one, in any case.
const WORDS: &[&str] = &[
    "true",
    "false",
    "none",
    "null",
    "nil",
    "yes",
    "no",
    "undefined",
    "required",
    "optional",
    "disabled",
    "enabled",
    "password",
    "passwd",
    "pass",
    "secret",
    "token",
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "redacted",
    "hidden",
    "example",
    "your-password",
    "yourpassword",
    "your_password",
    "string",
    "user",
    "username",
    "prompt",
    "default",
    "empty",
    "file",
    "value",
    "text",
    "basic",
    "bearer",
    "auto",
];
/// What begins a reference to a value that is elsewhere.
const REFERENCES: &[&[u8]] =
    &[b"$", b"%", b"{{", b"${", b"<", b"[", b"(", b"\\", b"*", b"@", b"file:", b"env:", b"pass:", b"os."];

/// A password as people or generators choose them: not a placeholder, a reference to a variable, a path, or
/// a repeated character.
pub fn password(candidate: &Candidate<'_>, _: &Context) -> Option<Verdict> {
    let value = candidate.secret();
    is_value(value).then(Verdict::default)
}

fn is_value(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let first = value.first().copied().unwrap_or_default();
    let is_one_character = value.iter().all(|byte| *byte == first);
    let is_word = WORDS.iter().any(|word| lower == word.as_bytes());
    let is_reference = REFERENCES.iter().any(|start| value.starts_with(start));
    let is_format =
        value.contains(&b'%') && value.windows(2).any(|it| matches!(it, [b'%', b's' | b'd' | b'v' | b'{']));
    let is_path = value.starts_with(b"/") && value.get(1..).is_some_and(|rest| rest.contains(&b'/'));
    let is_name = value.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    let is_call = value.ends_with(b")") || value.ends_with(b"(");
    !(is_one_character || is_word || is_reference || is_format || is_path || is_name || is_call)
}

/// `user:password` in base64.
pub fn basic(candidate: &Candidate<'_>, _: &Context) -> Option<Verdict> {
    let text = LENIENT.decode(candidate.secret()).ok()?;
    let text = String::from_utf8(text).ok()?;
    let (user, password) = text.split_once(':')?;
    let readable = !text.chars().any(char::is_control);
    let verdict = Verdict { identity: Some(text.as_bytes().to_vec()), ..Verdict::default() };
    (readable && !password.is_empty()).then(|| verdict.note("user", user))
}

/// Shannon entropy in bits a byte.
pub fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let total: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    let share = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total);
    share.map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::{super::ask, *};

    #[test]
    fn placeholders_are_no_passwords() {
        for value in
            ["hunter2", "S3cr3t-Pa55", "tok_live_9f8e7d", "correct horse", "hunter2-correct-horse", "abc/def"]
        {
            assert!(is_value(value.as_bytes()), "{value}");
        }
        for value in [
            "$insta::secret",
            "${DB_PASSWORD}",
            "%s",
            "<password>",
            "********",
            "xxxxxx",
            "None",
            "PASSWORD",
            "getpass()",
            "/run/secrets/db",
            "pass:insta",
            "YOUR_TOKEN_HERE",
            "{{ token }}",
        ] {
            assert!(!is_value(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn basic_credentials_are_decoded() {
        let verdict = ask(basic, STANDARD.encode("ann:s3cret").as_bytes(), &Context::default()).unwrap();
        assert_eq!(verdict.details["user"], "ann");
        assert!(ask(basic, STANDARD.encode("no colon").as_bytes(), &Context::default()).is_none());
        assert!(ask(basic, STANDARD.encode([0, b':', 1]).as_bytes(), &Context::default()).is_none());
    }

    #[test]
    fn entropy_of_known_texts() {
        assert!(entropy(b"") == 0.0 && entropy(b"aaaa") == 0.0);
        assert!((entropy(b"abcd") - 2.0).abs() < 1e-9);
    }
}
