//! What is read out of configuration files: keys, accounts, settings, scripts.

use base64::Engine as _;

use super::known::{basename, contains, contains_any};
use crate::Text;

/// Lines that are given as evidence.
const MAX_LINES: usize = 8;
/// Bytes of a line that are shown.
const SHOWN: usize = 200;

fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content
        .split(|byte| *byte == b'\n')
        .map(|line| line.trim_ascii())
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
}

fn shown(line: &[u8]) -> Text {
    Text(line.get(..SHOWN.min(line.len())).unwrap_or_default().to_vec())
}

/// A file of keys for logging in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KeyFile {
    /// Algorithm and comment of each key that a server would accept.
    pub usable: Vec<Text>,
}

impl KeyFile {
    /// Reads `authorized_keys`. A key names its algorithm twice: before its bytes, and in them.
    pub fn read(content: &[u8]) -> Self {
        let usable = lines(content).filter_map(|line| {
            let words: Vec<&[u8]> =
                line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()).collect();
            // Options may stand before the algorithm.
            let place = words.windows(2).position(|pair| match pair {
                [algorithm, key] => is_key(algorithm, key),
                _ => false,
            })?;
            let shown =
                words.iter().enumerate().filter(|(index, _)| *index != place + 1).map(|(_, word)| *word);
            Some(Text(shown.collect::<Vec<_>>().join(&b' ')))
        });
        Self { usable: usable.take(MAX_LINES).collect() }
    }
}

fn is_key(algorithm: &[u8], key: &[u8]) -> bool {
    // Keys in documentation and tests are often cut; what counts is that a server would read the algorithm.
    let whole = key.len() - key.len() % 4;
    let decoded = key.get(..whole).and_then(|key| {
        let engine = base64::engine::GeneralPurpose::new(
            &base64::alphabet::STANDARD,
            base64::engine::GeneralPurposeConfig::new()
                .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
                .with_decode_allow_trailing_bits(true),
        );
        engine.decode(key).ok()
    });
    decoded.is_some_and(|bytes| {
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return false };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        length == algorithm.len() && rest.starts_with(algorithm) && rest.len() > length
    })
}

/// Accounts of `passwd` other than root that have its rights.
pub fn odd_accounts(content: &[u8]) -> Vec<Text> {
    let odd = lines(content).filter(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        match fields.as_slice() {
            [name, password, uid, ..] => (*uid == b"0" && *name != b"root") || password.is_empty(),
            _ => false,
        }
    });
    odd.take(MAX_LINES).map(shown).collect()
}

/// Accounts of `shadow` that need no password; hashes are not shown.
pub fn without_password(content: &[u8]) -> Vec<Text> {
    let odd = lines(content).filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next()?;
        fields.next()?.is_empty().then(|| shown(name))
    });
    odd.take(MAX_LINES).collect()
}

/// Settings of sshd that let in who should not.
pub fn open_doors(content: &[u8]) -> Vec<Text> {
    const DOORS: [(&str, &str); 5] = [
        ("PermitRootLogin", "yes"),
        ("PermitEmptyPasswords", "yes"),
        ("UsePAM", "no"),
        ("StrictModes", "no"),
        ("AuthorizedKeysFile", "/tmp"),
    ];
    let open = lines(content).filter(|line| {
        let mut words =
            line.split(|byte| byte.is_ascii_whitespace() || *byte == b'=').filter(|word| !word.is_empty());
        let Some((key, value)) = words.next().zip(words.next()) else { return false };
        DOORS.iter().any(|(door, open)| {
            key.eq_ignore_ascii_case(door.as_bytes())
                && value.to_ascii_lowercase().starts_with(open.as_bytes())
        })
    });
    open.take(MAX_LINES).map(shown).collect()
}

/// Whether a web server would run a file.
pub fn is_web_script(path: &[u8]) -> bool {
    const ENDINGS: [&[u8]; 12] = [
        b".php", b".php3", b".php5", b".php7", b".phtml", b".phar", b".jsp", b".jspx", b".asp", b".aspx",
        b".ashx", b".cgi",
    ];
    let name = basename(path).to_ascii_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// The lines of a script that run what a visitor sends, if there are any: what is run and what is sent must be near
/// each other, since applications do both, far apart.
pub fn webshell(content: &[u8]) -> Option<Vec<Text>> {
    const RUNS: [&[u8]; 12] = [
        b"eval(",
        b"assert(",
        b"system(",
        b"shell_exec(",
        b"passthru(",
        b"popen(",
        b"proc_open(",
        b"exec(",
        b"create_function(",
        b"getruntime().exec",
        b"processbuilder(",
        b"process.start(",
    ];
    const SENT: [&[u8]; 9] = [
        b"$_GET",
        b"$_POST",
        b"$_REQUEST",
        b"$_COOKIE",
        b"$_SERVER['HTTP",
        b"php://input",
        b"request.getParameter",
        b"Request.Form",
        b"Request[",
    ];
    const PACKED: [&[u8]; 4] = [b"base64_decode(", b"gzinflate(", b"str_rot13(", b"gzuncompress("];
    const NEAR: usize = 3;
    let all: Vec<&[u8]> = content.split(|byte| *byte == b'\n').collect();
    for (index, line) in all.iter().enumerate() {
        let line = line.trim_ascii();
        // What is in a comment does not run; the address of a web page is no comment.
        let comment = line.windows(3).position(|part| part == b" //" || part == b"\t//");
        let line = line.get(..comment.unwrap_or(line.len())).unwrap_or_default();
        if line.starts_with(b"//") || line.starts_with(b"*") || !contains_any(line, &RUNS) {
            continue;
        }
        // eval(base64_decode("…")) hides what it runs.
        if contains_any(line, &[b"eval(", b"assert("]) && contains_any(line, &PACKED) {
            return Some(vec![shown(line)]);
        }
        let from = index.saturating_sub(NEAR);
        let near = all.get(from..all.len().min(index + NEAR + 1)).unwrap_or_default();
        if let Some(source) = near.iter().find(|line| contains_any(line, &SENT)) {
            let mut found = vec![shown(line)];
            let source = source.trim_ascii();
            if source != line {
                found.push(shown(source));
            }
            // A database's exec is no shell's.
            let is_database =
                contains(line, b"->exec(") || contains(line, b"->execute(") || contains(line, b"curl_exec(");
            if !is_database {
                return Some(found);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_what_only_looks_like_one() {
        let read = |text: &str| KeyFile::read(text.as_bytes()).usable.len();
        let key = "AAAAC3NzaC1lZDI1NTE5AAAAIexampleexampleexampleexample";
        assert_eq!(read(&format!("ssh-ed25519 {key} attacker@evil\n")), 1);
        assert_eq!(
            read(&format!("no-pty,from=\"198.51.100.7\" ssh-ed25519 {key}\n# ssh-ed25519 {key}\n")),
            1
        );
        assert_eq!(read("ssh-ed25519 AAAA\n"), 0);
        assert_eq!(read(&format!("ssh-rsa {key}\n")), 0, "the key is of another algorithm");
        assert_eq!(
            KeyFile::read(format!("ssh-ed25519 {key} me").as_bytes()).usable,
            [Text::from("ssh-ed25519 me")]
        );
    }

    #[test]
    fn accounts_with_the_rights_of_root() {
        let passwd =
            b"root:x:0:0:root:/root:/bin/bash\nevil:x:0:0::/root:/bin/sh\nwww:x:33:33::/:/bin/false\n";
        assert_eq!(odd_accounts(passwd), [Text::from("evil:x:0:0::/root:/bin/sh")]);
        assert_eq!(odd_accounts(b"open::1000:1000::/:/bin/sh\n").len(), 1);
        assert_eq!(without_password(b"root:*:1:\nopen::1:\n"), [Text::from("open")]);
    }

    #[test]
    fn settings_that_let_in_who_should_not() {
        assert_eq!(open_doors(b"#PermitRootLogin yes\nPermitRootLogin  yes\nUsePAM yes\n").len(), 1);
        assert!(open_doors(b"PermitRootLogin prohibit-password\n").is_empty());
    }

    #[test]
    fn webshells_and_what_applications_do() {
        for shell in [
            "<?php system($_GET['c']); ?>",
            "<?php\n$c = $_POST['x'];\n@eval($c);\n",
            "<?php eval(base64_decode('ZWNobyAx'));",
            "<% Runtime.getRuntime().exec(request.getParameter(\"c\")); %>",
        ] {
            assert!(webshell(shell.as_bytes()).is_some(), "{shell}");
        }
        for innocent in [
            "<?php $page = $_GET['page']; echo htmlspecialchars($page);",
            "<?php $p = proc_open('gzip', $spec, $pipes);",
            "<?php $id = $_GET['id'];\n$db->exec('delete');",
            "<?php // eval($_GET['x'])",
            "<?php $data = base64_decode($row['data']);",
        ] {
            assert!(webshell(innocent.as_bytes()).is_none(), "{innocent}");
        }
        assert!(is_web_script(b"/var/www/html/up.PHP") && !is_web_script(b"/usr/bin/php"));
    }
}
