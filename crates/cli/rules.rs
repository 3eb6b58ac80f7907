//! Files of Sigma and YARA rules that the user named.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::finding::{YaraRules, sigma::Rules};
use ckptfx_scan::yara::collect;

use crate::{args::Common, render::count};

/// Reads Sigma rules; those that cannot be used are named in the warnings of each result.
pub fn sigma(paths: &[PathBuf], common: &Common) -> Result<Rules> {
    let mut rules = Rules::default();
    for path in paths {
        let mut files = Vec::new();
        rule_files(path, &mut files)?;
        for file in files {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let name = file.strip_prefix(path).ok().filter(|name| !name.as_os_str().is_empty());
            let name = name.or_else(|| file.file_name().map(Path::new)).unwrap_or(&file);
            rules.add(&name.to_string_lossy(), &text);
        }
    }
    if !paths.is_empty() && common.verbose > 0 {
        eprintln!(
            "ckptfx: {} of Sigma, {} about something else, {} not supported",
            count("rule", rules.rules.len()),
            rules.others,
            rules.unsupported.len()
        );
    }
    Ok(rules)
}

/// Reads YARA rules; none if no path is given. Those that cannot be used are named in the warnings of each result.
pub fn yara(paths: &[PathBuf]) -> Result<Option<YaraRules>> {
    if paths.is_empty() {
        return Ok(None);
    }
    match YaraRules::compile(&collect(paths)?) {
        Ok(rules) => Ok(Some(rules)),
        Err(reasons) => bail!("there is no YARA rule to search with{reasons}"),
    }
}

/// Files of rules below a path, in order of name. Directories are not followed through links.
fn rule_files(path: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_rule = path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml");
        if entry.file_type()?.is_dir() || is_rule {
            rule_files(&path, found)?;
        }
    }
    Ok(())
}
