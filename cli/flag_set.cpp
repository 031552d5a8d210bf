// Values stay text here: the library checks them when they are set, and its message names the key
// and the text.
#include "flag_set.h"

#include <cstdlib>
#include <memory>

namespace tcpkit::cli {
namespace {

constexpr size_t kHelpColumn = 34;  // fits "--read-buffer-size" with its syntax

// CLI11 would print `--loops N=2 (Env:...)`; the default belongs behind the sentence.
class TableFormatter : public CLI::Formatter {
 public:
  TableFormatter() { column_width(kHelpColumn); }

  std::string make_option_opts(const CLI::Option* option) const override {
    const bool needs_value = option->get_expected_min() > 0;
    return needs_value ? " " + option->get_type_name() : option->get_option_text();
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string default_text = option->get_default_str();
    if (default_text.empty()) return option->get_description();
    return option->get_description() + " [" + default_text + "]";
  }
};

// What was given for a flag, in its order.
std::vector<OptionText> texts_of(const FlagSpec& spec, const CLI::Option& option) {
  std::vector<OptionText> texts;
  for (const std::string& result : option.results()) {
    // CLI11 says "true" for a flag that stands alone.
    const bool is_bare = spec.bare_text != nullptr && result == "true";
    texts.push_back({spec.key, is_bare ? spec.bare_text : result, spec.name});
  }
  if (!texts.empty()) return texts;
  if (const char* text = std::getenv(spec.variable.c_str())) {
    texts.push_back({spec.key, text, spec.variable});
  }
  return texts;
}

}  // namespace

FlagSet::FlagSet(CLI::App& command, std::vector<FlagSpec> specs) : command_(command) {
  command.formatter(std::make_shared<TableFormatter>());
  command.get_help_ptr()->group(kProgramGroup);
  for (FlagSpec& spec : specs) {
    CLI::Option* option = add_flag(spec);
    flags_.push_back({std::move(spec), option});
  }
}

CLI::Option* FlagSet::add_flag(const FlagSpec& spec) {
  CLI::Option* option = nullptr;
  if (spec.bare_text == nullptr) {
    option = command_.add_option(spec.name)
                 ->type_name(spec.info.value_syntax)
                 ->expected(1)
                 ->allow_extra_args(false);
  } else {
    option =
        command_.add_flag(spec.name)->option_text(std::string("[=") + spec.info.value_syntax + "]");
  }
  const bool repeatable = spec.name == "--listen";
  return option->description(spec.info.help)
      ->default_str(spec.info.default_text)
      ->group(spec.group)
      ->multi_option_policy(repeatable ? CLI::MultiOptionPolicy::TakeAll
                                       : CLI::MultiOptionPolicy::TakeLast);
}

std::vector<FlagSet::Given> FlagSet::given() const {
  std::vector<Given> all;
  for (const auto& [spec, option] : flags_) {
    for (OptionText& given : texts_of(spec, *option))
      all.push_back({spec.target, std::move(given)});
  }
  return all;
}

}  // namespace tcpkit::cli
