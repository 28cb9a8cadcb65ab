use entities::*;
#[test]
fn perf() {
    let d = Definitions::new(PluginSchemas::default(), VaultSchemas::default(), Flavor::TraditionalCompatible, true);
    let t = std::time::Instant::now();
    let mut all = Vec::new();
    for n in 0..10_000 {
        let serde_json::Value::Object(m) = serde_json::json!({"name": format!("route-{n}"), "paths": [format!("/path/{n}")], "hosts": [format!("h{n}.example.com")], "methods": ["GET", "POST"], "service": {"id": "0a0a0a0a-0000-4000-8000-000000000001"}, "tags": ["a", "b"]})
        else {
            panic!()
        };
        all.push(d.process_insert("routes", m, 1.7e9).unwrap());
    }
    eprintln!("10000 routes: {:?}", t.elapsed());
    let t = std::time::Instant::now();
    for r in all {
        let _: Route = serde_json::from_value(serde_json::Value::Object(r)).unwrap();
    }
    eprintln!("typed: {:?}", t.elapsed());
}
