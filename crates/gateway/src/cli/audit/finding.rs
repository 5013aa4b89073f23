//! What a verification found, in the reader's language.

use haechi_audit::checkpoint::{FollowError, TrustError};
use haechi_audit::minimum::MinimumError;
use haechi_audit::note::VerifyError;
use haechi_audit::view::{Anchor, Finding};

use crate::cli::context::Context;
use crate::cli::failure::chain;

/// What was found.
pub(super) fn text(context: &Context, finding: &Finding) -> String {
    let english = chain(finding);
    let korean = korean(finding).unwrap_or_else(|| english.clone());
    context.say(&english, &korean)
}

/// The next step.
pub(super) fn next(context: &Context, finding: &Finding) -> String {
    let korean = match finding {
        Finding::ClockBack { .. } => {
            "그때 시스템 시계가 뒤로 맞춰졌는지 확인하세요. 증인의 시각이 더 많은 것을 알려 줍니다"
        }
        Finding::Lost { .. } => {
            "이전 로그에서 남은 것은 로그 디렉터리의 `lost`에 있습니다. \
             `haechi audit verify --directory`로 검증하세요"
        }
        Finding::StoredTree => "잃은 것은 없습니다. 기록하는 프로그램이 시작할 때 다시 만듭니다",
        Finding::Witnesses { .. } => "증인을 기다리거나, 왜 공동 서명하지 않는지 확인하세요",
        Finding::Checkpoint(error) | Finding::Untrusted { source: error, .. } => trust_next(error),
        Finding::Minimum(_) => {
            "백업에서 파일을 되돌리세요. 이 파일이 없으면 없는 항목은 모두 제거된 것으로 봅니다"
        }
        _ => {
            "로그와 그 체크포인트, 기억해 둔 체크포인트의 사본을 보관하세요. 함께 보면 무엇이 \
             바뀌었는지 알 수 있습니다"
        }
    };
    context.say(finding.help(), korean)
}

/// `None` for a kind that is newer than these words.
fn korean(finding: &Finding) -> Option<String> {
    Some(match finding {
        Finding::Checkpoint(error) => {
            format!("최신 체크포인트가 이 로그의 것이 아닙니다: {}", trust(error))
        }
        Finding::NoCheckpoint => "로그의 체크포인트가 없어졌습니다".to_owned(),
        Finding::SetBack { anchor, remembered, size } => format!(
            "로그가 이전 상태로 되돌려졌습니다: {}는 항목 {remembered}개, 최신은 {size}개입니다",
            name(*anchor)
        ),
        Finding::Forked { anchor, size } => format!(
            "로그가 새로 쓰였습니다: 항목 {size}개의 {}는 다른 항목을 보증합니다",
            name(*anchor)
        ),
        Finding::Contradiction { anchor, source } => {
            format!("{}와 최신 체크포인트가 서로 모순됩니다: {}", name(*anchor), follow(source))
        }
        Finding::Untrusted { anchor, source } => {
            format!("{}를 믿을 수 없습니다: {}", name(*anchor), trust(source))
        }
        Finding::Minimum(error) => {
            format!("정리한 범위를 이 로그가 말한 것이 아닙니다: {}", minimum(error))
        }
        Finding::Lost { at, by, detail } => {
            let by = by.as_ref().map(|sid| format!(", 수락한 사람 {sid}")).unwrap_or_default();
            let detail = detail.join(", ");
            format!("이전 로그가 항목을 잃었고({detail}) {at}에 그 손실이 수락되었습니다{by}")
        }
        Finding::StoredTree => "저장된 트리 해시가 없거나 틀립니다".to_owned(),
        Finding::Witnesses { found, wanted } => format!(
            "알려진 증인 {found}명이 이 로그의 체크포인트에 공동 서명했으나 {wanted}명이 필요합니다"
        ),
        other => return of_entries(other),
    })
}

fn of_entries(finding: &Finding) -> Option<String> {
    Some(match finding {
        Finding::Changed { index } => format!("{index}번 항목이 변경되었습니다"),
        Finding::Swapped { one, other } => {
            format!("{one}번 항목과 {other}번 항목이 서로 바뀌었습니다")
        }
        Finding::Moved { place, found } => {
            format!("{place}번 항목의 자리에 {found}번 항목이 있습니다")
        }
        Finding::Removed { first, count } => {
            format!("{first}번부터 항목 {count}개가 제거되었습니다")
        }
        Finding::Repeated { index } => {
            format!("{index}번 항목이 두 번 있거나 순서에 맞지 않습니다")
        }
        Finding::Unreadable { first, count } => {
            format!("{first}번부터 항목 {count}개가 덮어써졌거나 손상되었습니다")
        }
        Finding::Shorter { entries, size } => {
            format!("로그가 잘렸습니다: 항목은 {entries}개인데 체크포인트는 {size}개라고 합니다")
        }
        Finding::ChangedBetween { first, last } => {
            format!("{first}번부터 {last}번까지의 항목 중 적어도 하나가 변경되었습니다")
        }
        Finding::Header { segment } => {
            format!("세그먼트 `{segment}`의 머리글이 변경되었습니다")
        }
        Finding::ClockBack { index, back_ms } => {
            let (seconds, thousandths) = (back_ms / 1000, back_ms % 1000);
            format!("{index}번 항목의 시각이 앞선 항목보다 {seconds}.{thousandths:03}초 이릅니다")
        }
        _ => return None,
    })
}

const fn name(anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::Remembered => "기억한 체크포인트",
        Anchor::Cosigned => "공동 서명된 체크포인트",
    }
}

fn trust(error: &TrustError) -> String {
    match error {
        TrustError::Note(_) => "서명된 노트가 아닙니다".to_owned(),
        TrustError::Signature(error) => signature(error),
        TrustError::Body(_) => "서명된 글이 체크포인트가 아닙니다".to_owned(),
        TrustError::Origin { found, wanted } => {
            format!("`{wanted}`이(가) 아니라 `{found}` 로그의 것입니다")
        }
        TrustError::Witnesses { found, wanted } => {
            format!("알려진 증인 {found}명이 공동 서명했으나 {wanted}명이 필요합니다")
        }
        other => chain(other),
    }
}

fn signature(error: &VerifyError) -> String {
    match error {
        VerifyError::NoKnownKey => "알려진 키의 서명이 없습니다".to_owned(),
        VerifyError::Wrong(key) => format!("`{key}`의 서명이 이 글의 것이 아닙니다"),
        other => chain(other),
    }
}

fn trust_next(error: &TrustError) -> &'static str {
    match error {
        TrustError::Signature(VerifyError::NoKnownKey) => {
            "로그가 지금 어떤 키로 서명하는지, 그 키를 믿는지 확인하세요"
        }
        TrustError::Signature(VerifyError::Wrong(_)) => {
            "체크포인트가 변경되었거나 위조되었습니다. 사본을 보관하고 로그의 것과 비교하세요"
        }
        TrustError::Origin { .. } => "원하는 로그를 지정하거나, 그 로그의 체크포인트를 쓰세요",
        TrustError::Witnesses { .. } => "증인을 기다리거나, 왜 공동 서명하지 않는지 확인하세요",
        _ => "로그에서 체크포인트를 다시 가져오세요",
    }
}

fn follow(error: &FollowError) -> String {
    match error {
        FollowError::Origin(one, other) => format!("하나는 `{one}`, 하나는 `{other}`의 것입니다"),
        FollowError::Shorter { old_size, new_size } => {
            format!("항목이 {old_size}개였으나 지금은 {new_size}개입니다")
        }
        FollowError::TwoTrees(size) => format!("항목 {size}개의 서로 다른 트리 둘이 있습니다"),
        FollowError::NoProof { old_size, new_size } => {
            format!("항목 {old_size}개에서 {new_size}개로의 일관성 증명이 필요합니다")
        }
        FollowError::Proof(_) => "이전 체크포인트에서 이어졌음이 증명되지 않습니다".to_owned(),
        other => chain(other),
    }
}

fn minimum(error: &MinimumError) -> String {
    match error {
        MinimumError::Note(_) => "`minimum`이 서명된 노트가 아닙니다".to_owned(),
        MinimumError::Signature(error) => signature(error),
        MinimumError::Text => "서명된 글이 정리한 범위를 말하지 않습니다".to_owned(),
        MinimumError::Origin { found, wanted } => {
            format!("`{wanted}`이(가) 아니라 `{found}` 로그의 것입니다")
        }
        other => chain(other),
    }
}
