//! The list of mapped programs and libraries as a CycloneDX 1.6 bill of materials. It has no serial number
//! and no time of its own: the same evidence gives the same document.

use std::io::Write;

use ckptfx_analysis::files::sbom::{Component, ComponentKind};
use ckptfx_report::{Head, json};
use serde_json::{Value, json};

use crate::{
    dossier::Dossier,
    export::{Export, Result},
};

/// A bill of materials, which is about one checkpoint.
pub struct CycloneDx;

impl Export for CycloneDx {
    fn checkpoint(&mut self, dossier: &Dossier<'_>, out: &mut dyn Write) -> Result<()> {
        json::write_pretty(out, &document(dossier.head, dossier.components), "")?;
        Ok(out.write_all(b"\n")?)
    }
}

/// The document.
fn document(head: &Head, components: &[Component]) -> Value {
    let container = &head.container;
    let mut subject = json!({
        "type": "container",
        "bom-ref": "container",
        "name": container.image.as_deref().or(container.name.as_deref()).unwrap_or("unknown"),
    });
    let facts = [
        ("ckptfx:evidence", Some(head.evidence.name.as_str())),
        ("ckptfx:engine", Some(container.engine)),
        ("ckptfx:container:id", container.id.as_deref()),
        ("ckptfx:container:name", container.name.as_deref()),
        ("ckptfx:pod", container.pod.as_deref()),
        ("ckptfx:namespace", container.namespace.as_deref()),
        ("ckptfx:image:digest", container.image_digest.as_deref()),
    ];
    let known = facts.iter().filter_map(|(name, value)| Some(property(name, (*value)?)));
    set(&mut subject, "properties", known.collect());
    let components: Vec<Value> =
        components.iter().enumerate().map(|(index, item)| component(index, item)).collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {"components": [{
                "type": "application",
                "name": head.document.tool.name,
                "version": head.document.tool.version,
            }]},
            "component": subject,
        },
        "components": components,
    })
}

fn component(index: usize, item: &Component) -> Value {
    let path = item.path.as_ref().map_or_else(|| "unknown".into(), |path| path.escaped());
    let kind = match item.kind {
        ComponentKind::Executable => "application",
        ComponentKind::Library => "library",
    };
    let mut value = json!({"type": kind, "bom-ref": format!("file-{index}"), "name": path});
    let mut properties = Vec::new();
    let mut add =
        |name: &str, value: Option<String>| properties.extend(value.map(|value| property(name, &value)));
    add("ckptfx:path", item.path.as_ref().map(|path| path.escaped().into_owned()));
    add("ckptfx:build-id", item.build_id.clone());
    add("ckptfx:size", item.size.map(|size| size.to_string()));
    add("ckptfx:mode", item.mode.clone());
    add("ckptfx:deleted", Some(item.deleted.to_string()));
    add("ckptfx:memfd", Some(item.memfd.to_string()));
    add("ckptfx:recover-id", item.recover_id.clone());
    for pid in &item.pids {
        add("ckptfx:pid", Some(pid.to_string()));
    }
    set(&mut value, "properties", properties);
    if let Some(hash) = &item.sha256 {
        set(&mut value, "hashes", vec![json!({"alg": "SHA-256", "content": hash})]);
    }
    value
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

fn set(object: &mut Value, key: &str, list: Vec<Value>) {
    if let Some(map) = object.as_object_mut() {
        map.insert(key.to_owned(), Value::Array(list));
    }
}
