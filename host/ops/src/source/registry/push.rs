//! Writing to a registry (OCI distribution specification, "Push"): blobs that are not there yet, then a manifest.
//! Mirrors are never written to. Knows nothing of what the bytes mean.

use lapstrake_llb::Digest;
use oci_client::Reference;
use reqwest::header::HeaderValue;

use super::Registry;
use super::endpoint::Endpoint;
use crate::error::Result;
use crate::source::progress::Progress;
use crate::source::reference;

impl Registry {
    /// Puts a blob into the repository of a reference, unless it is there.
    ///
    /// # Errors
    /// As of [`Registry::resolve`]; also where the credentials allow no writing.
    pub fn push_blob(&self, image: &Reference, data: &[u8], progress: &dyn Progress) -> Result<Digest> {
        let digest = Digest::of(data);
        let text = digest.to_string();
        let what = format!("blob {digest} to {}/{}", image.registry(), image.repository());
        let endpoints = self.endpoints(image, false)?;
        let endpoint = last(&endpoints, image)?;
        self.wait(progress, async {
            endpoint.authenticate_to_push().await?;
            let look = || endpoint.client.blob_exists(&endpoint.reference, &text);
            if self.retry(endpoint, &what, look).await? {
                return Ok(());
            }
            let send = || {
                endpoint
                    .client
                    .push_blob(&endpoint.reference, data.to_vec(), &text)
            };
            self.retry(endpoint, &what, send).await.map(|_| ())
        })?;
        progress.advance(&text, data.len() as u64, Some(data.len() as u64), true);
        Ok(digest)
    }

    /// Puts a manifest under the tag of a reference, or under its digest where it has no tag.
    ///
    /// # Errors
    /// As of [`Registry::push_blob`].
    pub fn push_manifest(
        &self,
        image: &Reference,
        media_type: &'static str,
        data: &[u8],
        progress: &dyn Progress,
    ) -> Result<Digest> {
        let digest = Digest::of(data);
        let tagged = match image.tag() {
            Some(tag) => Reference::with_tag(
                image.registry().to_owned(),
                image.repository().to_owned(),
                tag.to_owned(),
            ),
            None => reference::pinned(image, &digest),
        };
        let endpoints = self.endpoints(&tagged, false)?;
        let endpoint = last(&endpoints, image)?;
        self.wait(progress, async {
            endpoint.authenticate_to_push().await?;
            let media_type = HeaderValue::from_static(media_type);
            let send = || {
                endpoint
                    .client
                    .push_manifest_raw(&endpoint.reference, data.to_vec(), media_type.clone())
            };
            let what = format!("manifest of {}", tagged.whole());
            self.retry(endpoint, &what, send).await.map(|_| ())
        })?;
        Ok(digest)
    }
}

/// The registry itself: without mirrors it is the only one.
fn last<'a, 'b>(endpoints: &'a [Endpoint<'b>], image: &Reference) -> Result<&'a Endpoint<'b>> {
    endpoints.last().ok_or_else(|| super::no_endpoint(image))
}
