//! Owners of files in a user namespace (`format.md §11.2`): tars that the engine made on the node have the node's ids,
//! those that CRIU made inside have the container's.

use ckptfx_parser::{Checkpoint, Diagnostic, archive::Member, container::Engine, proto};

use crate::{files::origin::Origin, process::Namespace};

/// Owner and group of a file, inside the container's user namespace and outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner {
    /// Owner as the container sees it; null when its user namespace has no id for it.
    pub uid: Option<u64>,
    /// Group, as the owner.
    pub gid: Option<u64>,
    /// Owner as the node sees it; null when the container has no user namespace of its own.
    pub host_uid: Option<u64>,
    /// Group, as the owner.
    pub host_gid: Option<u64>,
}

/// Which ids the members of a tar have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// The container is in the user namespace of the node, or nothing tells.
    Same,
    Inside,
    Outside,
}

/// What the ids in a tar mean.
#[derive(Debug, Clone)]
pub struct Owners {
    map: proto::UsernsEntry,
    view: View,
}

impl Owners {
    /// What the ids in a tar of an origin mean; `user` is the user namespace of the first process.
    pub(crate) fn read(
        checkpoint: &Checkpoint,
        user: Option<Namespace>,
        origin: &Origin,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let own = user.filter(|own| own.shared_with_host == Some(false));
        let read = |id: u32| checkpoint.images.read_one(&format!("userns-{id}.img"), diagnostics);
        let map: Option<proto::UsernsEntry> = own.map(|own| own.id).and_then(read);
        let made_by_host = matches!(checkpoint.container.engine, Engine::Podman | Engine::CriO);
        let view = match (&map, origin) {
            (None, _) => View::Same,
            (Some(_), Origin::Tmpfs(_)) => View::Inside,
            (Some(_), _) if made_by_host => View::Outside,
            (Some(_), _) => View::Same,
        };
        Self { map: map.unwrap_or_default(), view }
    }

    /// Owner and group of a member.
    pub fn of(&self, member: &Member) -> Owner {
        let (uid, gid) = (member.uid, member.gid);
        let (uids, gids) = (&self.map.uid_map, &self.map.gid_map);
        match self.view {
            View::Same => Owner { uid, gid, ..Owner::default() },
            View::Inside => Owner { uid, gid, host_uid: outside(uids, uid), host_gid: outside(gids, gid) },
            View::Outside => {
                Owner { uid: inside(uids, uid), gid: inside(gids, gid), host_uid: uid, host_gid: gid }
            }
        }
    }
}

/// The id inside of a user namespace.
fn inside(map: &[proto::UidGidExtent], id: Option<u64>) -> Option<u64> {
    map.iter().find_map(|extent| moved(id?, extent.lower_first?, extent.first?, extent.count?))
}

/// The id outside of a user namespace.
fn outside(map: &[proto::UidGidExtent], id: Option<u64>) -> Option<u64> {
    map.iter().find_map(|extent| moved(id?, extent.first?, extent.lower_first?, extent.count?))
}

fn moved(id: u64, from: u32, to: u32, count: u32) -> Option<u64> {
    let within = id.checked_sub(u64::from(from)).filter(|within| *within < u64::from(count))?;
    u64::from(to).checked_add(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_moved_by_the_extent_that_has_them() {
        let extent = |first, lower_first, count| proto::UidGidExtent {
            first: Some(first),
            lower_first: Some(lower_first),
            count: Some(count),
        };
        let map = [extent(0, 100_000, 1000), extent(1000, 1000, 1)];
        assert_eq!(
            [0, 100_000, 100_999, 101_000, 1000].map(|id| inside(&map, Some(id))),
            [None, Some(0), Some(999), None, Some(1000)]
        );
        assert_eq!(
            [0, 999, 1000, 1001].map(|id| outside(&map, Some(id))),
            [Some(100_000), Some(100_999), Some(1000), None]
        );
    }
}
