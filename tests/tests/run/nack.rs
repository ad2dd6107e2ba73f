//! What `--mode validate` lets through and the running Envoy refuses.

use std::fs;

use serde_json::Value;
use system_tests::echo::Backend;

use crate::gateway::{HOST, Resources, Run};
use crate::wrapper::Wrapper;

/// The first finding of the refusal; what is served is what was served before.
async fn refusal(run: &Run) -> anyhow::Result<Value> {
    run.until_reloads("refused", 1).await?;
    let answer = run.get(HOST).await?;
    assert_eq!(
        (answer.status, &answer.headers["x-generation"]),
        (200, &"0".parse()?)
    );
    let status = run.status().await?;
    assert_eq!(status["reloads"]["applied"], 0, "{status:#}");
    let finding = status["refused"]["findings"][0].clone();
    assert_eq!(finding["code"], "MG0501", "{status:#}\n{}", run.said());
    assert_eq!(finding["file"], "resources/gateway.yaml", "{status:#}");
    Ok(finding)
}

/// The text of the line that a finding is about.
fn line(run: &Run, finding: &Value) -> anyhow::Result<String> {
    let text = fs::read_to_string(run.resources("gateway.yaml"))?;
    let number = usize::try_from(finding["line"].as_u64().unwrap_or_default())?;
    Ok(text
        .lines()
        .nth(number.saturating_sub(1))
        .unwrap_or_default()
        .to_owned())
}

/// The running Envoy takes shorter expressions than the one that judges.
#[tokio::test(flavor = "multi_thread")]
async fn refused_routes_are_rolled_back_and_lead_to_their_line() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    let short = r"layered_runtime: {layers: [{name: short, static_layer: {re2.max_program_size.error_level: 200}}]}";
    let run = Run::start_with(&resources, &[], &["--config-yaml", short])?;
    run.ready().await?;
    resources.generation = 1;
    let long = resources.yaml(run.address).replace(
        "path: {type: PathPrefix, value: /}",
        r"path: {type: RegularExpression, value: '/(\pL{100}){5}'}",
    );
    run.write(&long)?;
    let finding = refusal(&run).await?;
    let message = finding["message"].as_str().unwrap_or_default();
    assert!(message.contains("RE2 program size"), "{message}");
    let line = line(&run, &finding)?;
    assert!(line.contains("matches:"), "{finding} is about {line}");
    run.change(&resources).await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "1");
    Ok(())
}

/// A filter of the user's own, which does not like long configurations; here nothing judges before.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_filter_is_rolled_back_and_leads_to_its_listener() -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let envoy = Wrapper::of_script("--mode validate", "exit 0")?;
    let module = wat::parse_str(
        r#"(module
        (memory (export "memory") 1)
        (func (export "malloc") (param i32) (result i32) i32.const 0)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            local.get 1
            i32.const 1500
            i32.lt_u))"#,
    )?;
    let filter = envoy.file("filter.wasm");
    fs::write(&filter, module)?;
    let mut resources = Resources::new(backend.port());
    let filter = filter.to_string_lossy();
    let args = ["--envoy", &envoy.path()?, "--wasm", &filter];
    let run = Run::start_with(&resources, &args, &[])?;
    run.ready().await?;
    resources.generation = 1;
    resources.http = (0..40).map(|n| format!("host-{n}.example.com")).collect();
    run.write(&resources.yaml(run.address))?;
    let finding = refusal(&run).await?;
    let line = line(&run, &finding)?;
    assert!(line.contains("port: 8080"), "{finding} is about {line}");
    // Nothing of the change is left, also not the routes that Envoy had taken before.
    assert_eq!(run.get("host-3.example.com").await?.status, 404);
    resources.http.truncate(1);
    run.change(&resources).await?;
    assert_eq!(run.get("host-0.example.com").await?.status, 200);
    Ok(())
}
