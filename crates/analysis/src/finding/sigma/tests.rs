use ckptfx_testkit::{Checkpoint, Process};

use super::*;
use crate::{
    finding::{AttackVersion, Facts},
    tests::with_case,
};

const RULE: &str = "
title: Shell that asks the network
id: 00000000-0000-0000-0000-000000000001
level: high
logsource: {product: linux, category: process_creation}
detection:
  selection_shell:
    Image|endswith: ['/sh', '/bash']
  selection_words:
    CommandLine|contains|all: ['curl ', 'HTTP']
  filter_health:
    CommandLine|re: 'localhost(:[0-9]+)?/'
  condition: all of selection_* and not 1 of filter_*
falsepositives: [Unknown]
";

fn run(rules: &str, command: &[&str]) -> Vec<String> {
    let mut read = Rules::default();
    read.add("rules.yml", rules);
    assert_eq!(read.unsupported, []);
    let process = Process::new(5).cmdline(command.iter().copied());
    with_case(Checkpoint::new().process(process), |case| {
        let facts = Facts::read(case, &[]).unwrap();
        let found = read.run(&facts, Vec::new(), AttackVersion::V19);
        found
            .iter()
            .map(|finding| format!("{} {:?} {}", finding.id, finding.severity, finding.score))
            .collect()
    })
}

#[test]
fn a_rule_matches_what_it_describes_only() {
    let found = run(RULE, &["sh", "-c", "curl http://198.51.100.7/"]);
    assert_eq!(found, ["SIGMA-00000000-0000-0000-0000-000000000001 High 70"]);
    assert!(run(RULE, &["sh", "-c", "curl http://localhost:80/"]).is_empty());
    assert!(run(RULE, &["sh", "-c", "curl"]).is_empty());
}

#[test]
fn tags_name_techniques() {
    let mut rules = Rules::default();
    rules.add("rule.yml", &format!("{RULE}tags: [attack.execution, attack.t1059.004, cve.2021-44228]\n"));
    let process = Process::new(5).cmdline(["sh", "-c", "curl http://198.51.100.7/"]);
    with_case(Checkpoint::new().process(process), |case| {
        let facts = Facts::read(case, &[]).unwrap();
        let found = rules.run(&facts, Vec::new(), AttackVersion::V19);
        let attack = &found[0].attack;
        assert_eq!(attack.len(), 1);
        assert_eq!(attack[0].technique, "T1059.004");
        assert_eq!(attack[0].tactic.as_deref(), Some("execution"));
    });
}

#[test]
fn selections_may_be_lists_and_fields_absent() {
    let rule = "
title: By list
logsource: {category: process_creation}
detection:
  selection:
    - Image: '*/s?'
      ParentImage: null
    - User: nobody
  condition: selection
";
    assert_eq!(run(rule, &["sh"]), ["SIGMA-BY LIST Medium 46"]);
}

#[test]
fn what_cannot_be_evaluated_is_named() {
    let mut rules = Rules::default();
    rules.add("a.yml", "title: T\nlogsource: {product: windows, category: process_creation}\n");
    assert_eq!(rules.others, 1);
    let head = "title: T\nlogsource: {product: linux, category: process_creation}\ndetection:\n";
    for (body, why) in [
        ("  selection: {Hashes: x}\n  condition: selection\n", "no field Hashes"),
        ("  selection: {Image|base64: x}\n  condition: selection\n", "modifier base64"),
        ("  keywords: [x]\n  condition: keywords\n", "keywords without a field"),
        ("  selection: {Image: x}\n  condition: other\n", "names other"),
        ("  selection: {Image: x}\n  condition: selection | count() > 1\n", "aggregations"),
        ("  selection: {Image|re: '('}\n  condition: selection\n", "expression"),
    ] {
        let mut rules = Rules::default();
        rules.add("a.yml", &format!("{head}{body}"));
        assert!(rules.rules.is_empty());
        assert!(rules.unsupported[0].1.contains(why), "{:?}", rules.unsupported);
    }
    rules.add("b.yml", "a: [");
    assert_eq!(rules.unsupported.len(), 1);
}
