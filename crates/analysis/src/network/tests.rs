use ckptfx_testkit::{Checkpoint, Message};

use super::*;

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = (4 + value.len() as u16).to_le_bytes().to_vec();
    out.extend(kind.to_le_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn message(kind: u16, head: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = head.to_vec();
    attributes.iter().for_each(|(kind, value)| body.extend(attribute(*kind, value)));
    let mut out = (16 + body.len() as u32).to_le_bytes().to_vec();
    out.extend(kind.to_le_bytes());
    out.extend([0; 10]);
    out.extend(body);
    out
}

fn of(magic: u32, message: Vec<u8>) -> Vec<u8> {
    [magic.to_le_bytes().to_vec(), message].concat()
}

#[test]
fn a_namespace_is_read_whole() {
    let device = Message::new()
        .uint(1, 2_u32)
        .uint(2, 3_u32)
        .uint(3, 1500_u32)
        .uint(4, 0x1041_u32)
        .bytes(5, "eth0")
        .bytes(7, [2, 0, 0, 0, 0, 0xff])
        .message(9, &Message::new().uint(1, 6_u32).uint(2, 1_u32))
        .message(9, &Message::new().uint(1, 6_u32));
    let address = message(20, &[2, 24, 0x80, 0, 3, 0, 0, 0], &[(1, &[10, 0, 0, 2]), (3, b"eth0\0")]);
    let hop = [&[16, 0, 0, 0, 3, 0, 0, 0], attribute(5, &[10, 0, 0, 1]).as_slice()].concat();
    let route = message(24, &[2, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0], &[(9, &hop)]);
    let rule =
        message(32, &[2, 0, 8, 0, 100, 0, 0, 1, 0, 0, 0, 0], &[(2, &[10, 0, 0, 0]), (10, &[7, 0, 0, 0])]);
    let ip = [attribute(1, &[10, 0, 0, 2]), attribute(2, &[1, 1, 1, 1])].concat();
    let proto = [attribute(1, &[17]), attribute(2, &[0x12, 0x34]), attribute(3, &[0, 53])].concat();
    let tuple = [attribute(0x8001, &ip), attribute(0x8002, &proto)].concat();
    let connection = message(0x100, &[2, 0, 0, 0], &[(0x8001, &tuple), (3, &[0, 0, 0, 10])]);
    let rules = "*filter\n:CRIU - [0:0]\n-A INPUT -j CRIU\n-A CRIU -m mark --mark 0xc114 -j ACCEPT\n\
                 -A CRIU -s 6.6.6.6/32 -j ACCEPT\nCOMMIT\n";
    let nft = "table inet CRIU-1 {\n\tchain output {\n\t\ttype filter hook output priority filter; policy drop;\n\
               \t\tmeta mark 0x0000c114 accept\n\t\ttcp dport 80 dnat to 6.6.6.6\n\t}\n}\ntable ip nat {\n}\n";
    let dump = Checkpoint::sample()
        .entry("netdev", "77", device)
        .raw_image("ifaddr-77.img", of(0x4736_1222, address))
        .raw_image("route-77.img", of(0x4531_1224, route))
        .raw_image("rule-77.img", of(0x7170_6986, rule))
        .raw_image("netns-ct-77.img", connection)
        .raw_image("iptables-77.img", rules)
        .raw_image("nftables-77.img", nft);
    let network = crate::tests::with_case(dump, |case| network(case, &|_| true));
    let of_77 = |net_ns: u32| net_ns == 77;
    let interface = network.interfaces.iter().find(|one| of_77(one.net_ns)).unwrap();
    assert_eq!(
        (interface.mac.as_deref(), interface.device_type.as_deref()),
        (Some("02:00:00:00:00:ff"), Some("veth"))
    );
    let address = network.addresses.iter().find(|one| of_77(one.net_ns)).unwrap();
    assert_eq!((address.address.as_str(), &address.interface), ("10.0.0.2/24", &Some("eth0".into())));
    let route = network.routes.iter().find(|one| of_77(one.net_ns)).unwrap();
    assert_eq!((route.destination.as_str(), route.protocol.as_str()), ("default", "static"));
    assert_eq!(route.next_hops[0].gateway, Some([10, 0, 0, 1].into()));
    let rule = network.rules.iter().find(|one| of_77(one.net_ns)).unwrap();
    assert_eq!((rule.source.as_deref(), rule.mark, rule.table), (Some("10.0.0.0/8"), Some(7), 100));
    let connection = &network.connections[0];
    assert_eq!(connection.protocol.as_deref(), Some("udp"));
    assert_eq!(
        (connection.original.source_port, connection.original.destination_port),
        (Some(0x1234), Some(53))
    );
    assert_eq!(connection.status, ["SEEN_REPLY", "CONFIRMED"]);
    let sysctls: Vec<_> = network.sysctls.iter().filter(|one| of_77(one.net_ns)).collect();
    assert_eq!(sysctls[0].name, "net.ipv4.conf.eth0.accept_local".into());
    assert_eq!((sysctls[0].value.as_ref(), sysctls[1].value.as_ref()), (Some(&"1".into()), None));
    let own: Vec<bool> = network.firewall.iter().map(|line| line.criu_own).collect();
    // A rule that somebody put into CRIU's table or chain is not CRIU's.
    let iptables = [false, true, true, true, false, false];
    let nftables = [true, true, true, true, false, true, true, false, false];
    assert_eq!(own, [&iptables[..], &nftables].concat());
}

/// The lines that are not CRIU's, of the rules in an image.
fn foreign(tool: &'static str, rules: &str) -> Vec<String> {
    let lines = firewall::lines(1, tool, rules.as_bytes()).into_iter().filter(|line| !line.criu_own);
    lines.map(|line| line.text.escaped().trim().to_owned()).collect()
}

/// The lock as iptables-nft translates it, with more in one of its chains.
fn translated(table: &str, in_criu: &str, in_input: &str) -> String {
    format!(
        "# Warning: table {table} is managed by iptables-nft, do not touch!\ntable {table} {{\n\tchain CRIU {{\n\
         \t\tmeta mark 0x0000c114 counter packets 16 bytes 890 accept\n{in_criu}\
         \t\tcounter packets 1 bytes 60 drop\n\t}}\n\n\tchain INPUT {{\n\
         \t\ttype filter hook input priority filter; policy accept;\n{in_input}\
         \t\tcounter packets 8 bytes 445 jump CRIU\n\t}}\n\n\tchain OUTPUT {{\n\
         \t\ttype filter hook output priority filter; policy accept;\n\
         \t\tcounter packets 9 bytes 505 jump CRIU\n\t}}\n}}\n"
    )
}

#[test]
fn the_lock_of_iptables_nft_is_criu_s() {
    for table in ["ip filter", "ip6 filter"] {
        assert_eq!(foreign("nftables", &translated(table, "", "")), [""; 0], "{table}");
    }
    // In another table the same rules are somebody else's.
    assert_eq!(foreign("nftables", &translated("ip nat", "", "")).len(), 15);
    assert_eq!(foreign("iptables", "*nat\n-A CRIU -j DROP\nCOMMIT\n").len(), 3);
}

#[test]
fn a_rule_beside_the_lock_is_not_criu_s() {
    let rule = "\t\tip saddr 6.6.6.6 counter packets 0 bytes 0 accept\n";
    let kept = foreign("nftables", &translated("ip filter", rule, ""));
    assert!(kept.contains(&rule.trim().to_owned()), "{kept:?}");
    assert!(!kept.iter().any(|line| line.ends_with("jump CRIU") || line.contains("c114")), "{kept:?}");
    let kept = foreign("nftables", &translated("ip filter", "", rule));
    assert!(kept.contains(&rule.trim().to_owned()), "{kept:?}");
    for odd in ["meta mark 0x0000c115 accept", "ip daddr 6.6.6.6 drop", "counter packets x bytes 0 drop"] {
        let kept = foreign("nftables", &translated("ip filter", &format!("\t\t{odd}\n"), ""));
        assert!(kept.contains(&odd.to_owned()), "{kept:?}");
    }
    let kept = foreign("iptables", "*filter\n-A CRIU -m mark --mark 0xc114/0x0 -j ACCEPT\nCOMMIT\n");
    assert_eq!(kept.len(), 3, "a mask of zero lets everything through: {kept:?}");
}

/// `not from 10.0.0.0/8 fwmark 0x10/0xff uidrange 1000-1999 ipproto tcp dport 443 lookup 300`, with the attributes
/// that a kernel gives it.
#[test]
fn a_rule_keeps_every_condition() {
    let rule = message(
        32,
        &[2, 0, 8, 0, 252, 0, 0, 1, 2, 0, 0, 0],
        &[
            (15, &300_u32.to_le_bytes()),
            (6, &700_u32.to_le_bytes()),
            (10, &0x10_u32.to_le_bytes()),
            (16, &0xff_u32.to_le_bytes()),
            (20, &[0xe8, 3, 0, 0, 0xcf, 7, 0, 0]),
            (24, &[0xbb, 1, 0xbb, 1]),
            (22, &[6]),
            (2, &[10, 0, 0, 0]),
        ],
    );
    let dump = Checkpoint::sample().raw_image("rule-77.img", of(0x7170_6986, rule));
    let network = crate::tests::with_case(dump, |case| network(case, &|_| true));
    let rule = network.rules.iter().find(|one| one.net_ns == 77).unwrap();
    assert!(rule.inverted);
    assert_eq!((rule.source.as_deref(), rule.table, rule.priority), (Some("10.0.0.0/8"), 300, 700));
    assert_eq!((rule.mark, rule.mark_mask), (Some(0x10), Some(0xff)));
    assert_eq!(rule.uid_range, Some(Range { first: 1000, last: 1999 }));
    assert_eq!(rule.protocol.as_deref(), Some("tcp"));
    assert_eq!((rule.source_ports, rule.destination_ports), (None, Some(Range { first: 443, last: 443 })));
}

#[test]
fn a_message_that_is_too_short_is_told() {
    // Four of the eight bytes of `struct ifaddrmsg`.
    let address = message(20, &[2, 24, 0x80, 0], &[]);
    let dump = Checkpoint::sample().raw_image("ifaddr-77.img", of(0x4736_1222, address));
    let lost = crate::tests::with_case(dump, |case| {
        assert!(network(case, &|_| true).addresses.iter().all(|address| address.net_ns != 77));
        case.diagnostics.iter().any(|one| one.code == "truncated-image" && one.subject == "ifaddr-77.img")
    });
    assert!(lost);
}
