// The codes of complaints about a configuration: stable, one per kind, never used again for something else.
// Thread rule: constants.
#pragma once

#include <string_view>

namespace keepgate::conf::code {

using Code = std::string_view;

// KG00x: files. KG01x: grammar and directives.
inline constexpr Code unreadable_file = "KG001";
inline constexpr Code include = "KG002";
inline constexpr Code too_much = "KG003";
inline constexpr Code binary = "KG004";
inline constexpr Code end_of_file = "KG010";
inline constexpr Code unexpected = "KG011";
inline constexpr Code unknown_directive = "KG012";
inline constexpr Code missing_semicolon = "KG013";
inline constexpr Code wrong_context = "KG014";
inline constexpr Code argument_count = "KG015";
inline constexpr Code duplicate = "KG016";
inline constexpr Code block = "KG017";
inline constexpr Code not_built = "KG018";

// KG02x: values and names.
inline constexpr Code bad_value = "KG020";
inline constexpr Code bad_parameter = "KG021";
inline constexpr Code bad_variable = "KG022";
inline constexpr Code unknown_name = "KG023";
inline constexpr Code taken_name = "KG024";
inline constexpr Code bad_regex = "KG025";
inline constexpr Code unknown_host = "KG026";
inline constexpr Code variable_cycle = "KG027";

// KG03x: servers and locations.
inline constexpr Code bad_location = "KG030";
inline constexpr Code bad_listener = "KG031";
inline constexpr Code server_name_taken = "KG032";
inline constexpr Code error_page_target = "KG033";
inline constexpr Code missing_section = "KG034";

// KG04x: other files that a configuration names.
inline constexpr Code unusable_keys = "KG040";
inline constexpr Code missing_keys = "KG041";
inline constexpr Code unusable_policy = "KG042";
inline constexpr Code unusable_signing_key = "KG043";
inline constexpr Code unusable_log = "KG044";
inline constexpr Code exposed_key = "KG045";
inline constexpr Code missing_certificate = "KG046";
inline constexpr Code unusable_folder = "KG047";
inline constexpr Code unusable_revocations = "KG048";

// KG05x: accepted, with a remark.
inline constexpr Code no_effect = "KG050";

// KG1xx: what is dangerous: warnings, and errors under `strict on` unless the comment says otherwise.
inline constexpr Code open_location = "KG100";  // Only under `strict on`.
inline constexpr Code return_before_auth = "KG101";
inline constexpr Code unverified_upstream = "KG102";
inline constexpr Code limit_on_unverified = "KG103";
inline constexpr Code case_blind_keys = "KG104";
inline constexpr Code unverified_identity = "KG105";
inline constexpr Code unverified_header = "KG106";
inline constexpr Code refuses_everybody = "KG107";       // Always a warning: it is safe, but hardly meant.
inline constexpr Code two_credentials = "KG108";         // Always an error.
inline constexpr Code incomplete_transaction = "KG109";  // Always an error.
inline constexpr Code unverified_claim = "KG110";
inline constexpr Code trusts_everybody = "KG111";
inline constexpr Code client_chosen_target = "KG112";
inline constexpr Code undecided_path = "KG113";  // Always an error.
inline constexpr Code unsigned_tokens = "KG114";
inline constexpr Code any_audience = "KG118";
inline constexpr Code open_by_variable = "KG121";
inline constexpr Code early_condition = "KG120";

}  // namespace keepgate::conf::code
