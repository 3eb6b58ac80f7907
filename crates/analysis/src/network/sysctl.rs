//! Network settings, which CRIU saves by their position in its lists (`format.md §11.4`).

use ckptfx_parser::proto;
use schemars::JsonSchema;
use serde::Serialize;

use crate::Text;

/// `net.ipv4.conf.*`, in CRIU's order.
const IPV4: &str = "accept_local accept_redirects accept_source_route arp_accept arp_announce arp_filter arp_ignore \
    arp_notify bootp_relay disable_policy disable_xfrm force_igmp_version forwarding \
    igmpv2_unsolicited_report_interval igmpv3_unsolicited_report_interval log_martians medium_id promote_secondaries \
    proxy_arp proxy_arp_pvlan route_localnet rp_filter secure_redirects send_redirects shared_media src_valid_mark \
    tag ignore_routes_with_linkdown drop_gratuitous_arp drop_unicast_in_l2_multicast";
/// `net.ipv6.conf.*`, in CRIU's order.
const IPV6: &str = "accept_dad accept_ra accept_ra_defrtr accept_ra_from_local accept_ra_min_hop_limit accept_ra_mtu \
    accept_ra_pinfo accept_ra_rt_info_max_plen accept_ra_rtr_pref accept_redirects accept_source_route autoconf \
    dad_transmits disable_ipv6 drop_unicast_in_l2_multicast drop_unsolicited_na force_mld_version force_tllao \
    forwarding hop_limit ignore_routes_with_linkdown keep_addr_on_down max_addresses max_desync_factor \
    mldv1_unsolicited_report_interval mldv2_unsolicited_report_interval mtu ndisc_notify optimistic_dad proxy_ndp \
    regen_max_retry router_probe_interval router_solicitation_delay router_solicitation_interval \
    router_solicitations stable_secret suppress_frag_ndisc temp_prefered_lft temp_valid_lft use_oif_addrs_only \
    use_optimistic use_tempaddr";

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sysctl {
    /// CRIU's number for the network namespace.
    pub net_ns: u32,
    /// Name, such as `net.ipv4.conf.eth0.forwarding`; `[N]` ends it when the position has no known name.
    pub name: Text,
    /// Value as sysctl prints it; null when CRIU could not read it.
    pub value: Option<Text>,
}

pub(super) fn of_namespace(net_ns: u32, entry: &proto::NetnsEntry) -> Vec<Sysctl> {
    let mut found = ipv4(net_ns, b"all", &entry.all_conf4, &entry.all_conf);
    found.extend(ipv4(net_ns, b"default", &entry.def_conf4, &entry.def_conf));
    found.extend(list(net_ns, b"net.ipv6.conf.all.", IPV6, values(&entry.all_conf6)));
    found.extend(list(net_ns, b"net.ipv6.conf.default.", IPV6, values(&entry.def_conf6)));
    found.extend(list(net_ns, b"net.unix.", "max_dgram_qlen", values(&entry.unix_conf)));
    found.extend(list(net_ns, b"net.ipv4.", "ping_group_range", values(&entry.ipv4_sysctl)));
    found
}

pub(super) fn of_device(net_ns: u32, device: &proto::NetDeviceEntry) -> Vec<Sysctl> {
    let name = device.name.as_deref().unwrap_or(b"?");
    let mut found = ipv4(net_ns, name, &device.conf4, &device.conf);
    found.extend(list(net_ns, &[b"net.ipv6.conf.", name, b"."].concat(), IPV6, values(&device.conf6)));
    found
}

/// `old` is the form before CRIU 2.3.
fn ipv4(net_ns: u32, name: &[u8], entries: &[proto::SysctlEntry], old: &[i32]) -> Vec<Sysctl> {
    let prefix = [b"net.ipv4.conf.", name, b"."].concat();
    if entries.is_empty() {
        let old = old.iter().map(|value| Some(Text(value.to_string().into_bytes())));
        list(net_ns, &prefix, IPV4, old)
    } else {
        list(net_ns, &prefix, IPV4, values(entries))
    }
}

fn values(entries: &[proto::SysctlEntry]) -> impl Iterator<Item = Option<Text>> {
    entries.iter().map(|entry| {
        let number = entry.iarg.map(|number| number.to_string().into_bytes());
        entry.sarg.clone().or(number).map(Text)
    })
}

fn list(net_ns: u32, prefix: &[u8], names: &str, values: impl Iterator<Item = Option<Text>>) -> Vec<Sysctl> {
    let mut names = names.split_ascii_whitespace();
    let named = values.enumerate().map(|(index, value)| {
        let last = names.next().map_or_else(|| format!("[{index}]"), str::to_owned);
        Sysctl { net_ns, name: Text([prefix, last.as_bytes()].concat()), value }
    });
    named.collect()
}
