//! Options of sockets that are set.

use std::collections::BTreeMap;

use ckptfx_parser::{
    dynamic::{Numbering, Show, bit_names, number_name},
    proto,
};
use serde_json::{Value, json};

use crate::Text;

type Options = BTreeMap<&'static str, Value>;

/// Adds an option unless it is absent, false, zero or empty.
fn set(options: &mut Options, name: &'static str, value: impl Into<Value>) {
    let value = value.into();
    let unset = match &value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_u64() == Some(0),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    if !unset {
        options.insert(name, value);
    }
}

/// Options of every kind of socket.
pub(super) fn common(options: &mut Options, opts: &proto::SkOptsEntry) {
    set(options, "so_sndbuf", opts.so_sndbuf);
    set(options, "so_rcvbuf", opts.so_rcvbuf);
    set(options, "so_sndtimeo", timeout(opts.so_snd_tmo_sec, opts.so_snd_tmo_usec));
    set(options, "so_rcvtimeo", timeout(opts.so_rcv_tmo_sec, opts.so_rcv_tmo_usec));
    set(options, "so_reuseaddr", opts.reuseaddr);
    set(options, "so_reuseport", opts.so_reuseport);
    set(options, "so_broadcast", opts.so_broadcast);
    set(options, "so_keepalive", opts.so_keepalive);
    set(options, "tcp_keepcnt", opts.tcp_keepcnt);
    set(options, "tcp_keepidle", opts.tcp_keepidle);
    set(options, "tcp_keepintvl", opts.tcp_keepintvl);
    set(options, "so_priority", opts.so_priority);
    set(options, "so_rcvlowat", opts.so_rcvlowat);
    set(options, "so_mark", opts.so_mark.filter(|mark| *mark != 0).map(|mark| format!("{mark:#x}")));
    set(options, "so_passcred", opts.so_passcred);
    set(options, "so_passsec", opts.so_passsec);
    set(options, "so_dontroute", opts.so_dontroute);
    set(options, "so_no_check", opts.so_no_check);
    set(options, "so_oobinline", opts.so_oobinline);
    set(options, "so_linger", opts.so_linger);
    set(options, "so_buf_lock", opts.so_buf_lock);
}

pub(super) fn inet(options: &mut Options, socket: &proto::InetSkEntry) {
    set(options, "ipv6_v6only", socket.v6only);
    if let Some(ip) = &socket.ip_opts {
        set(options, "ip_freebind", ip.freebind);
        set(options, "ip_pktinfo", ip.pktinfo);
        set(options, "ip_tos", ip.tos);
        set(options, "ip_ttl", ip.ttl);
        if let Some(raw) = &ip.raw {
            set(options, "ip_hdrincl", raw.hdrincl);
            set(options, "ip_nodefrag", raw.nodefrag);
            set(options, "ipv6_checksum", raw.checksum);
            let words = raw.icmpv_filter.iter().any(|word| *word != 0);
            let filter: Vec<String> = raw.icmpv_filter.iter().map(|word| format!("{word:#x}")).collect();
            set(options, "icmp_filter", if words { filter } else { Vec::new() });
        }
    }
    if let Some(tcp) = &socket.tcp_opts {
        set(options, "tcp_cork", tcp.cork);
        set(options, "tcp_nodelay", tcp.nodelay);
        set(options, "tcp_keepcnt", tcp.keepcnt);
        set(options, "tcp_keepidle", tcp.keepidle);
        set(options, "tcp_keepintvl", tcp.keepintvl);
    }
}

/// What the image of a TCP connection adds; before CRIU 4.0 it had `cork` and `nodelay`.
pub(super) fn stream(options: &mut Options, stream: &proto::TcpStreamEntry) {
    set(options, "tcp_cork", stream.cork);
    set(options, "tcp_nodelay", stream.nodelay);
    set(options, "tcp_mss_clamp", stream.mss_clamp);
    let agreed = bit_names(Show::TcpOptions, u64::from(stream.opt_mask.unwrap_or(0)), Numbering::default());
    set(options, "tcp_options", agreed);
    set(options, "tcp_snd_wscale", stream.snd_wscale);
    set(options, "tcp_rcv_wscale", stream.rcv_wscale);
    set(options, "tcp_snd_wnd", stream.snd_wnd);
    set(options, "tcp_rcv_wnd", stream.rcv_wnd);
    set(options, "tcp_max_window", stream.max_window);
}

pub(super) fn unix(options: &mut Options, socket: &proto::UnixSkEntry) {
    let flags = bit_names(Show::UnixFlags, u64::from(socket.uflags.unwrap_or(0)), Numbering::default());
    set(options, "criu_flags", flags);
    set(options, "directory", socket.name_dir.clone().filter(|name| !name.is_empty()).map(text));
    set(options, "deleted", socket.deleted);
    if let Some(node) = &socket.file_perms {
        set(options, "mode", node.mode.map(|mode| format!("{:04o}", mode & 0o7777)));
        set(options, "uid", node.uid);
        set(options, "gid", node.gid);
    }
    set(options, "mount_id", socket.mnt_id.and_then(|id| u32::try_from(id).ok()));
}

pub(super) fn netlink(options: &mut Options, socket: &proto::NetlinkSkEntry) {
    // Multicast groups are numbered from 1 over all words.
    let groups = socket.groups.iter().zip((1_u32..).step_by(32)).flat_map(|(word, first)| {
        (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first.saturating_add(bit))
    });
    set(options, "groups", groups.collect::<Vec<u32>>());
    set(options, "dst_group", socket.dst_group);
}

pub(super) fn packet(options: &mut Options, socket: &proto::PacketSockEntry, numbering: Numbering) {
    set(options, "ifindex", socket.ifindex);
    set(options, "packet_version", socket.version);
    set(options, "packet_reserve", socket.reserve);
    set(options, "packet_auxdata", socket.aux_data);
    set(options, "packet_origdev", socket.orig_dev);
    set(options, "packet_vnet_hdr", socket.vnet_hdr);
    set(options, "packet_loss", socket.loss);
    set(options, "packet_timestamp", socket.timestamp);
    set(options, "packet_copy_thresh", socket.copy_thresh);
    set(options, "packet_fanout", socket.fanout.map(|fanout| format!("{fanout:#x}")));
    let memberships = socket.mclist.iter().map(|membership| {
        let number = u64::from(membership.r#type.unwrap_or(0));
        let name = number_name(Show::PacketMembership, number, numbering);
        let address: Vec<String> =
            membership.addr.iter().flatten().map(|byte| hex::encode([*byte])).collect();
        json!({
            "type": name.map_or_else(|| number.to_string(), str::to_owned),
            "ifindex": membership.index,
            "address": address.join(":"),
        })
    });
    set(options, "packet_membership", memberships.collect::<Vec<Value>>());
    set(options, "packet_rx_ring", socket.rx_ring.as_ref().map(ring));
    set(options, "packet_tx_ring", socket.tx_ring.as_ref().map(ring));
}

fn ring(ring: &proto::PacketRing) -> Value {
    json!({
        "block_size": ring.block_size,
        "block_nr": ring.block_nr,
        "frame_size": ring.frame_size,
        "frame_nr": ring.frame_nr,
    })
}

/// A time in seconds.
fn timeout(seconds: Option<u64>, microseconds: Option<u64>) -> Option<String> {
    let (seconds, microseconds) = (seconds.unwrap_or(0), microseconds.unwrap_or(0));
    (seconds != 0 || microseconds != 0).then(|| format!("{seconds}.{microseconds:06}"))
}

fn text(bytes: Vec<u8>) -> Value {
    // Serialising bytes cannot fail.
    serde_json::to_value(Text(bytes)).unwrap_or_default()
}
