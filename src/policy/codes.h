// The diagnostic codes of the policy room, KG300 to KG399: one per kind of complaint, stable for ever.
// Thread rule: constants.
#pragma once

#include <string_view>

namespace keepgate::policy::code {

// The YAML document itself.
inline constexpr std::string_view yaml_syntax = "KG300";
inline constexpr std::string_view yaml_anchor = "KG301";
inline constexpr std::string_view yaml_alias = "KG302";
inline constexpr std::string_view yaml_tag = "KG303";
inline constexpr std::string_view duplicate_key = "KG304";
inline constexpr std::string_view several_documents = "KG305";
inline constexpr std::string_view merge_key = "KG306";
inline constexpr std::string_view complex_key = "KG307";
inline constexpr std::string_view too_deep = "KG308";
inline constexpr std::string_view too_large = "KG309";
inline constexpr std::string_view hidden_character = "KG310";
inline constexpr std::string_view yaml_directive = "KG311";
inline constexpr std::string_view empty_file = "KG312";

// Shape: keys and values.
inline constexpr std::string_view unknown_key = "KG320";
inline constexpr std::string_view wrong_shape = "KG321";
inline constexpr std::string_view empty_value = "KG322";
inline constexpr std::string_view no_identity = "KG323";
inline constexpr std::string_view two_effects = "KG324";
inline constexpr std::string_view bad_mode = "KG325";
inline constexpr std::string_view bad_id = "KG326";
inline constexpr std::string_view duplicate_id = "KG327";
inline constexpr std::string_view file_twice = "KG328";
inline constexpr std::string_view said_twice = "KG329";

// Methods.
inline constexpr std::string_view bad_method = "KG330";
inline constexpr std::string_view unregistered_method = "KG331";
inline constexpr std::string_view too_many_methods = "KG332";

// Paths and services.
inline constexpr std::string_view path_without_slash = "KG340";
inline constexpr std::string_view partial_path_wildcard = "KG341";
inline constexpr std::string_view rest_not_last = "KG342";
inline constexpr std::string_view path_never_canonical = "KG343";
inline constexpr std::string_view foreign_placeholder = "KG344";
inline constexpr std::string_view bad_service = "KG345";

// Names of identities, scopes and roles.
inline constexpr std::string_view unknown_name_kind = "KG350";
inline constexpr std::string_view bad_name = "KG351";
inline constexpr std::string_view partial_name_wildcard = "KG352";
inline constexpr std::string_view name_not_allowed_here = "KG353";
inline constexpr std::string_view bad_scope = "KG354";
inline constexpr std::string_view bad_role_name = "KG360";
inline constexpr std::string_view duplicate_role = "KG361";
inline constexpr std::string_view role_cycle = "KG362";

// The tests in a file.
inline constexpr std::string_view test_without_identity = "KG370";
inline constexpr std::string_view test_asks_nothing = "KG371";
inline constexpr std::string_view bad_test_request = "KG372";
inline constexpr std::string_view bad_test_identity = "KG373";

// Rules that mean more or less than they seem to.
inline constexpr std::string_view opens_everything = "KG380";
inline constexpr std::string_view deny_with_scopes = "KG381";

// Known, not built.
inline constexpr std::string_view conditions_not_built = "KG390";
inline constexpr std::string_view cedar_not_built = "KG391";

}  // namespace keepgate::policy::code
