// nginx's rewrite module: the directives if, set, rewrite, break and return of a level, as a program that runs before
// limits and before every credential check (design: nginx-semantics §1, §8; decision 0027).
//
// Whatever changes the path makes one spelling of it again, and routing starts anew on that: a location is never
// entered by a path that another one guards. Bounds: a program has no loops; serve() counts how often it leads
// elsewhere.
// Thread rule: a program is immutable, run_program() runs on the worker of the exchange.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "pipeline/location.h"
#include "route/regex.h"
#include "route/template.h"

namespace keepgate::pipeline {

class Exchange;

// What `if` asks.
struct Condition {
  enum class Kind : std::uint8_t { is_true = 0 /* neither empty nor "0" */, equal, matches };
  Kind kind = Kind::is_true;
  bool negated = false;
  route::VariableRef subject;
  route::Template value;              // equal
  std::optional<route::Regex> regex;  // matches
};

// `rewrite REGEX REPLACEMENT [last|break|redirect|permanent]`.
struct Rewrite {
  route::Regex regex;
  route::Template path;  // Up to the '?'; of a redirect the whole replacement.
  std::optional<route::Template> query;
  bool keeps_arguments = true;        // The client's go behind those of the replacement.
  bool has_query = false;             // A '?' stands in the replacement.
  std::uint16_t redirect_status = 0;  // 301, 302; 0: the path changes.
  bool ends = false;                  // last, break.
  bool stays = false;                 // break: the location is not looked for again.
};

struct RewriteStep {
  enum class Kind : std::uint8_t { return_ = 0, set, set_arguments, rewrite, break_, if_ };
  Kind kind = Kind::return_;
  ReturnAction action;     // return
  std::uint32_t slot = 0;  // set
  route::Template value;   // set, set_arguments
  std::optional<Rewrite> rewrite;
  std::optional<Condition> condition;     // if
  std::optional<std::uint32_t> location;  // if, in a location: whose settings hold from then on.
  std::size_t skip_to = 0;                // if: the step behind the block.
};

struct RewriteProgram {
  std::vector<RewriteStep> steps;
};

struct RewriteResult {
  enum class End : std::uint8_t {
    refuse = 0,  // exchange.refusal says why.
    go_on,       // The path is what it was, or is to stay in this location.
    route,       // The path changed: a location is to be looked for.
    answer,      // `action` is the answer.
  };
  End end = End::refuse;
  const ReturnAction* action = nullptr;
};
RewriteResult run_program(Exchange& exchange, const RewriteProgram& program);

// The text as the query of a URI: what would end the request line, or is no ASCII, is percent-encoded.
std::string_view encode_query(std::string_view text, Arena& arena);

}  // namespace keepgate::pipeline
