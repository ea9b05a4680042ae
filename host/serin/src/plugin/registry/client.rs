//! As much of a registry's API as artifacts of components take:
//! <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md>.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serin_pipeline::Digest;
use serin_pipeline::artifact::{MANIFEST_TYPE, MAX_MANIFEST, Reference};

/// How long a registry may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer that says what went wrong, or holds a token.
const MAX_ANSWER: usize = 64 << 10;
/// Redirects of a download: registries keep their blobs elsewhere.
const MAX_REDIRECTS: usize = 5;

#[derive(Debug, Args)]
pub(crate) struct RegistryArguments {
    /// Who to log in as
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// A file with the password, or the token that stands for one
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// Speak HTTP instead of HTTPS: everybody on the way can read the password
    #[arg(long)]
    plain_http: bool,
}

/// A repository of a registry.
pub(super) struct Registry {
    client: Client,
    /// `https://REGISTRY/v2/REPOSITORY/`
    base: Url,
    login: Option<(String, String)>,
    plain_http: bool,
    /// What the registry has asked for.
    authorization: Option<Authorization>,
}

#[derive(Clone)]
enum Authorization {
    Basic,
    Bearer(String),
}

/// The same request can be made twice: without, and then with what the registry asks for.
struct Request {
    method: Method,
    url: Url,
    content_type: Option<&'static str>,
    body: Vec<u8>,
}

impl Request {
    fn new(method: Method, url: Url) -> Self {
        Self { method, url, content_type: None, body: Vec::new() }
    }
}

impl Registry {
    pub(super) fn open(reference: &Reference, arguments: &RegistryArguments) -> Result<Self> {
        let RegistryArguments { user, password_file, plain_http } = arguments;
        let scheme = if *plain_http { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/{}/", reference.registry, reference.repository);
        let login = match (user, password_file) {
            (Some(user), Some(file)) => {
                let password = std::fs::read_to_string(file);
                let password = password.with_context(|| format!("cannot read {}", file.display()))?;
                Some((user.clone(), password.trim_end_matches(['\r', '\n']).to_owned()))
            }
            _ => None,
        };
        let client = Client::builder()
            .user_agent(concat!("serin/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            .https_only(!plain_http)
            .redirect(Policy::limited(MAX_REDIRECTS))
            .build()
            .context("no HTTP client")?;
        let base = Url::parse(&base).with_context(|| format!("{base} is no URL"))?;
        Ok(Self { client, base, login, plain_http: *plain_http, authorization: None })
    }

    /// The bytes of a manifest, by its tag or digest.
    pub(super) async fn manifest(&mut self, version: &str) -> Result<Vec<u8>> {
        let url = self.base.join(&format!("manifests/{version}"))?;
        let answer = self.send(Request::new(Method::GET, url)).await?;
        body(expect(answer, &[StatusCode::OK]).await?, MAX_MANIFEST).await
    }

    /// The bytes of a part, which are those of this digest.
    pub(super) async fn blob(&mut self, digest: &Digest, size: u64) -> Result<Vec<u8>> {
        let url = self.base.join(&format!("blobs/{digest}"))?;
        let answer = self.send(Request::new(Method::GET, url)).await?;
        let bytes = body(expect(answer, &[StatusCode::OK]).await?, usize::try_from(size)?).await?;
        let found = Digest::of(&bytes);
        ensure!(found == *digest, "the registry sent something else than {digest}: {found}");
        Ok(bytes)
    }

    /// Uploads a part, unless it is there.
    pub(super) async fn put_blob(&mut self, digest: &Digest, bytes: Vec<u8>) -> Result<()> {
        let there = self.base.join(&format!("blobs/{digest}"))?;
        if self.send(Request::new(Method::HEAD, there)).await?.status() == StatusCode::OK {
            return Ok(());
        }
        let begin = self.send(Request::new(Method::POST, self.base.join("blobs/uploads/")?)).await?;
        let begun = expect(begin, &[StatusCode::ACCEPTED]).await?;
        let location = begun.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let mut url = self.base.join(location.context("the registry does not say where to upload to")?)?;
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let content_type = Some("application/octet-stream");
        let put = self.send(Request { method: Method::PUT, url, content_type, body: bytes }).await?;
        expect(put, &[StatusCode::CREATED]).await.map(drop)
    }

    /// Gives a manifest a tag.
    pub(super) async fn put_manifest(&mut self, tag: &str, manifest: Vec<u8>) -> Result<()> {
        let url = self.base.join(&format!("manifests/{tag}"))?;
        let content_type = Some(MANIFEST_TYPE);
        let put = self.send(Request { method: Method::PUT, url, content_type, body: manifest }).await?;
        expect(put, &[StatusCode::CREATED]).await.map(drop)
    }

    /// Makes a request; if the registry asks for it, once more with a login or token.
    async fn send(&mut self, request: Request) -> Result<Response> {
        let answer = self.attempt(&request).await?;
        if answer.status() != StatusCode::UNAUTHORIZED || self.authorization.is_some() {
            return Ok(answer);
        }
        let challenge = answer.headers().get(WWW_AUTHENTICATE).and_then(|text| text.to_str().ok());
        let Some(challenge) = challenge.map(str::to_owned) else { return Ok(answer) };
        self.authorization = self.authorize(&challenge, &request.method).await?;
        if self.authorization.is_none() { Ok(answer) } else { self.attempt(&request).await }
    }

    async fn attempt(&self, request: &Request) -> Result<Response> {
        let Request { method, url, content_type, body } = request;
        let mut builder = self.client.request(method.clone(), url.clone()).header(ACCEPT, MANIFEST_TYPE);
        if let Some(content_type) = content_type {
            builder = builder.header(CONTENT_TYPE, *content_type).body(body.clone());
        }
        // An upload can lead to somebody else, who is told no secret.
        if url.origin() == self.base.origin() {
            builder = match &self.authorization {
                Some(Authorization::Basic) => self.log_in(builder),
                Some(Authorization::Bearer(token)) => builder.bearer_auth(token),
                None => builder,
            };
        }
        builder.send().await.with_context(|| format!("no answer from {}", self.base.authority()))
    }

    fn log_in(&self, builder: RequestBuilder) -> RequestBuilder {
        match &self.login {
            Some((user, password)) => builder.basic_auth(user, Some(password)),
            None => builder,
        }
    }

    /// What a challenge asks for; nothing if there is no login for it.
    async fn authorize(&self, challenge: &str, method: &Method) -> Result<Option<Authorization>> {
        let (scheme, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Ok(self.login.as_ref().map(|_| Authorization::Basic));
        }
        ensure!(scheme.eq_ignore_ascii_case("bearer"), "the registry asks for a login by `{scheme}`");
        let parameters = parameters(rest);
        let realm = parameters.get("realm").context("the registry does not say where to get a token")?;
        let mut url = Url::parse(realm).with_context(|| format!("`{realm}` is no URL"))?;
        ensure!(self.plain_http || url.scheme() == "https", "tokens of {realm} would not be secret");
        let actions = if *method == Method::GET { "pull" } else { "pull,push" };
        let repository = self.base.path().trim_start_matches("/v2/").trim_end_matches('/');
        url.query_pairs_mut()
            .extend_pairs(parameters.get("service").map(|service| ("service", service)))
            .append_pair("scope", &format!("repository:{repository}:{actions}"));
        let asked = self.log_in(self.client.get(url)).send().await;
        let answer =
            expect(asked.with_context(|| format!("no answer from {realm}"))?, &[StatusCode::OK]).await?;
        let token: Token = serde_json::from_slice(&body(answer, MAX_ANSWER).await?).context("not a token")?;
        let token = token.token.or(token.access_token).context("an answer without a token")?;
        Ok(Some(Authorization::Bearer(token)))
    }
}

/// <https://distribution.github.io/distribution/spec/auth/token/#token-response-fields>
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// `key="value"`, separated by commas: <https://www.rfc-editor.org/rfc/rfc9110#name-authentication-parameters>.
fn parameters(mut text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    while let Some((key, rest)) = text.trim_start_matches([',', ' ']).split_once('=') {
        let (value, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(',').unwrap_or((rest, "")),
        };
        found.insert(key.trim().to_ascii_lowercase(), value.to_owned());
        text = after;
    }
    found
}

/// # Errors
/// If the answer is another one; with what the registry says.
async fn expect(answer: Response, expected: &[StatusCode]) -> Result<Response> {
    let status = answer.status();
    if expected.contains(&status) {
        return Ok(answer);
    }
    let said = body(answer, MAX_ANSWER).await.unwrap_or_default();
    let said: String =
        String::from_utf8_lossy(&said).trim().chars().take(500).flat_map(char::escape_debug).collect();
    match status {
        StatusCode::UNAUTHORIZED => bail!("the registry wants a login (--user and --password-file): {said}"),
        _ => bail!("the registry says {status}: {said}"),
    }
}

/// All of an answer, if it has at most so many bytes.
async fn body(mut answer: Response, limit: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.context("the answer broke off")? {
        ensure!(bytes.len() + chunk.len() <= limit, "an answer of more than {limit} bytes");
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[test]
    fn challenges_are_read() {
        let found =
            parameters(r#"realm="https://a.example/token?x=1,2", service="a.example",scope=x, error="y""#);
        let get = |key: &str| found.get(key).map(String::as_str);
        assert_eq!(get("realm"), Some("https://a.example/token?x=1,2"));
        assert_eq!((get("service"), get("scope"), get("error")), (Some("a.example"), Some("x"), Some("y")));
        assert!(parameters("").is_empty() && parameters("nonsense").is_empty());
    }
}
