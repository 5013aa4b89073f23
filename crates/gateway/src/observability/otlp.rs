//! Traces to an OpenTelemetry collector: OTLP over HTTP, through the client with limits.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use haechi_outbound::UpstreamClient;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tokio::runtime::Handle;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::Registry;

/// How long one batch of spans may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// What is read of a collector's answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Collects spans and sends them in batches; what cannot be sent is lost, calls never wait.
pub(super) fn provider(
    endpoint: &str,
    client: UpstreamClient,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Carrier { client, runtime: Handle::current() })
        .with_endpoint(endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource =
        Resource::builder_empty().with_service_name("haechi").with_attribute(version).build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// The layer that turns spans into what the provider collects. Places in the source, threads and
/// names of targets say nothing to an operator and are left out.
pub(super) fn layer(provider: &SdkTracerProvider) -> OpenTelemetryLayer<InnerSubscriber, Tracer> {
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("haechi"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
}

/// What the exporter's layer sits on: the registry below the layer that writes lines.
pub(super) type InnerSubscriber = tracing_subscriber::layer::Layered<
    tracing_subscriber::filter::Filtered<
        Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>,
        tracing_subscriber::filter::Targets,
        Registry,
    >,
    Registry,
>;

/// Our client, as the exporter wants one. The exporter's thread is no part of the runtime, so the
/// request runs in a task of the runtime and the thread waits for it.
#[derive(Debug)]
struct Carrier {
    client: UpstreamClient,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Carrier {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = async move {
            let response = client.send(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        // The timer, too, can only be made inside the runtime.
        let within_limit = async { tokio::time::timeout(EXPORT_TIMEOUT, sent).await };
        self.runtime.spawn(within_limit).await??
    }
}

#[cfg(test)]
mod tests {
    use haechi_outbound::{Outbound, OutboundConfig};
    use opentelemetry::trace::{Span, Tracer as _};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn spans_reach_a_collector_through_our_own_client() {
        let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", collector.local_addr().unwrap());
        let received = tokio::spawn(async move {
            let (mut stream, _) = collector.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.windows(6).any(|window| window == b"marked") {
                let mut piece = [0; 4096];
                let length = stream.read(&mut piece).await.unwrap();
                assert!(length > 0, "the exporter hung up early");
                read.extend_from_slice(&piece[..length]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&read).into_owned()
        });
        let client = Outbound::new(OutboundConfig::default()).unwrap().upstream_client();
        let provider = provider(&endpoint, client).unwrap();
        provider.tracer("haechi").start("marked").end();
        let flushed = tokio::task::spawn_blocking(move || provider.force_flush());
        assert!(flushed.await.unwrap().is_ok());
        let received = received.await.unwrap();
        assert!(received.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{received}");
        assert!(received.contains("content-type: application/x-protobuf"), "{received}");
    }
}
